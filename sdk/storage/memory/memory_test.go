package memory_test

import (
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend { return memory.New(1 << 30) })
}

func TestAnObjectThatIsTooLargeIsRefused(t *testing.T) {
	b := memory.New(3)
	if err := b.Put(t.Context(), "a", storage.Bytes([]byte("1234"))); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("four bytes where three may be: %v", err)
	}
	if err := b.Put(t.Context(), "a", storage.Bytes([]byte("123"))); err != nil {
		t.Error(err)
	}
}
