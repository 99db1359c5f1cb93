package plugins

import (
	"context"
	"testing"

	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// TestContract has the whole contract hold of an instance.
func TestContract(t *testing.T) {
	h := newHost(t)
	h.trust("memory", "0.1.0")
	h.run()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		i := h.storage("memory", nil)
		if err := i.Opened(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := i.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return i
	})
}
