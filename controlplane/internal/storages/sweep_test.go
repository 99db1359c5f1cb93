package storages_test

import (
	"context"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/storages"
)

// swept is a storage that tells when it is swept.
type swept struct {
	storages.Instance

	of chan time.Duration
}

func (b swept) Sweep(_ context.Context, age time.Duration) (int, error) {
	b.of <- age
	return 1, nil
}

// What a kill has left in a storage is removed when the storage serves, and once only in a
// while, whatever becomes of it meanwhile.
func TestAStorageIsSweptWhenItServes(t *testing.T) {
	l := open(t, empty())
	of := make(chan time.Duration, 10)
	l.plugins.wrap = func(i storages.Instance) storages.Instance { return swept{i, of} }
	for _, name := range []string{"a", "b"} {
		if _, err := l.Create(t.Context(), spec(name, "mem", "{}"), storages.Offline); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	l.plugins.latest(t, "a").become(storages.Ready, "")
	if age := <-of; age != 24*time.Hour {
		t.Errorf("it is swept of what is older than %v", age)
	}
	l.plugins.latest(t, "a").become(storages.Degraded, "slow")
	l.plugins.latest(t, "a").become(storages.Ready, "")
	l.plugins.latest(t, "default").become(storages.Ready, "") // which can't
	l.plugins.latest(t, "b").become(storages.Ready, "")
	if age := <-of; age != 24*time.Hour {
		t.Errorf("the other one is swept of what is older than %v", age)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if more := len(of); more > 0 {
		t.Errorf("they were swept %d times more", more)
	}
}
