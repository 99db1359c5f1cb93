package fleettest

import (
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func storageSentences() []sentence {
	bucket := func(name string) fleet.Storage {
		return fleet.Storage{
			Name: name, Plugin: "s3", Config: []byte(`{"bucket": "b", "parts": 8}`), Secrets: map[string]string{"key": "k", "nested.key": "n"},
			Schema: 2, HostsRead: true, CreatedAt: noon(), ChangedAt: noon(),
		}
	}
	return []sentence{
		{"Every field comes back, by name", func(t *testing.T, s Stores) {
			b, a := bucket("b"), bucket("a")
			a.Secrets, a.Schema = nil, 0
			must(t, s.Storages.CreateStorage(t.Context(), b))
			must(t, s.Storages.CreateStorage(t.Context(), a))
			wantEqual(t, got(s.Storages.Storages(t.Context()))(t), []fleet.Storage{a, b})
		}},
		{"A name is taken once", func(t *testing.T, s Stores) {
			var callers sync.WaitGroup
			errs := make(chan error, 8)
			for range cap(errs) {
				callers.Go(func() { errs <- s.Storages.CreateStorage(t.Context(), bucket("a")) })
			}
			callers.Wait()
			close(errs)
			made := 0
			for err := range errs {
				if err == nil {
					made++
					continue
				}
				wantKind(t, err, fault.Conflict)
			}
			wantEqual(t, made, 1)
		}},
		{"Saving replaces all but when it was made", func(t *testing.T, s Stores) {
			must(t, s.Storages.CreateStorage(t.Context(), bucket("a")))
			want := fleet.Storage{Name: "a", Plugin: "fs", Config: []byte(`{}`), Schema: 7, CreatedAt: noon().Add(time.Hour), ChangedAt: noon().Add(time.Hour)}
			must(t, s.Storages.SaveStorage(t.Context(), want))
			want.CreatedAt = noon()
			wantEqual(t, got(s.Storages.Storages(t.Context()))(t), []fleet.Storage{want})
			wantKind(t, s.Storages.SaveStorage(t.Context(), bucket("b")), fault.NotFound)
		}},
		{"One that is removed is gone, and its name is free", func(t *testing.T, s Stores) {
			must(t, s.Storages.CreateStorage(t.Context(), bucket("a")))
			must(t, s.Storages.RemoveStorage(t.Context(), "a"))
			wantEqual(t, len(got(s.Storages.Storages(t.Context()))(t)), 0)
			wantKind(t, s.Storages.RemoveStorage(t.Context(), "a"), fault.NotFound)
			must(t, s.Storages.CreateStorage(t.Context(), bucket("a")))
		}},
	}
}
