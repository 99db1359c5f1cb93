package fleettest

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// key returns a key whose id and hash follow from its id.
func key(id, name string, created time.Time) fleet.Key {
	hash := sha256.Sum256([]byte(id))
	return fleet.Key{ID: id, Name: name, Role: fleet.RoleOperator, Priority: -1, Hint: "crl_" + id, Hash: hash[:], CreatedAt: created}
}

func keySentences() []sentence {
	return []sentence{
		{"None at first", func(t *testing.T, s Stores) {
			wantEqual(t, len(got(s.Keys.Keys(t.Context()))(t)), 0)
		}},
		{"Every field comes back", func(t *testing.T, s Stores) {
			k := key("k1", "laptop", noon())
			must(t, s.Keys.CreateKey(t.Context(), k))
			wantEqual(t, got(s.Keys.Keys(t.Context()))(t), []fleet.Key{k})
		}},
		{"Oldest first", func(t *testing.T, s Stores) {
			first, second := key("z", "first", noon()), key("a", "second", noon().Add(time.Second))
			must(t, s.Keys.CreateKey(t.Context(), second))
			must(t, s.Keys.CreateKey(t.Context(), first))
			wantEqual(t, got(s.Keys.Keys(t.Context()))(t), []fleet.Key{first, second})
		}},
		{"A live key's name is a conflict", func(t *testing.T, s Stores) {
			must(t, s.Keys.CreateKey(t.Context(), key("k1", "ci", noon())))
			wantKind(t, s.Keys.CreateKey(t.Context(), key("k2", "ci", noon())), fault.Conflict)
			wantEqual(t, len(got(s.Keys.Keys(t.Context()))(t)), 1)
		}},
		{"A name is a conflict once among many at once", checkKeyNameRace},
		{"A revoked key's name is free", func(t *testing.T, s Stores) {
			must(t, s.Keys.CreateKey(t.Context(), key("k1", "ci", noon())))
			must(t, s.Keys.RevokeKey(t.Context(), "k1", noon()))
			must(t, s.Keys.CreateKey(t.Context(), key("k2", "ci", noon())))
		}},
		{"Revoked keys are listed with the time", func(t *testing.T, s Stores) {
			k := key("k1", "ci", noon())
			must(t, s.Keys.CreateKey(t.Context(), k))
			k.RevokedAt = noon().Add(time.Hour)
			must(t, s.Keys.RevokeKey(t.Context(), k.ID, k.RevokedAt))
			wantEqual(t, got(s.Keys.Keys(t.Context()))(t), []fleet.Key{k})
		}},
		{"Revoking an unknown id is not found", func(t *testing.T, s Stores) {
			wantKind(t, s.Keys.RevokeKey(t.Context(), "nobody", noon()), fault.NotFound)
		}},
		{"Revoking twice keeps the first time", func(t *testing.T, s Stores) {
			must(t, s.Keys.CreateKey(t.Context(), key("k1", "ci", noon())))
			must(t, s.Keys.RevokeKey(t.Context(), "k1", noon()))
			must(t, s.Keys.RevokeKey(t.Context(), "k1", noon().Add(time.Hour)))
			wantEqual(t, got(s.Keys.Keys(t.Context()))(t)[0].RevokedAt, noon())
		}},
		{"A priority can be changed, of one key", func(t *testing.T, s Stores) {
			one, other := key("k1", "ci", noon()), key("k2", "batch", noon())
			must(t, s.Keys.CreateKey(t.Context(), one))
			must(t, s.Keys.CreateKey(t.Context(), other))
			one.Priority = fleet.MaxPriority
			wantEqual(t, got(s.Keys.SetKeyPriority(t.Context(), "k1", fleet.MaxPriority))(t), one)
			wantEqual(t, got(s.Keys.Keys(t.Context()))(t), []fleet.Key{one, other})
		}},
		{"The priority of a key that is unknown or revoked is not found", func(t *testing.T, s Stores) {
			k := key("k1", "ci", noon())
			must(t, s.Keys.CreateKey(t.Context(), k))
			must(t, s.Keys.RevokeKey(t.Context(), "k1", noon()))
			for _, id := range []string{"nobody", "k1"} {
				_, err := s.Keys.SetKeyPriority(t.Context(), id, 1)
				wantKind(t, err, fault.NotFound)
			}
			wantEqual(t, got(s.Keys.Keys(t.Context()))(t)[0].Priority, k.Priority)
		}},
	}
}

func checkKeyNameRace(t *testing.T, s Stores) {
	var (
		callers sync.WaitGroup
		created atomic.Int32
	)
	for i := range 20 {
		callers.Go(func() {
			switch err := s.Keys.CreateKey(t.Context(), key(string(rune('a'+i)), "same", noon())); {
			case err == nil:
				created.Add(1)
			default:
				wantKind(t, err, fault.Conflict)
			}
		})
	}
	callers.Wait()
	wantEqual(t, created.Load(), int32(1))
}
