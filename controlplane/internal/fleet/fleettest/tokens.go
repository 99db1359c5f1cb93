package fleettest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// token returns a token that is good for an hour, whose hash follows from its id.
func token(id string, uses int) fleet.Token {
	hash := sha256.Sum256([]byte(id))
	return fleet.Token{ID: id, Hash: hash[:], CreatedAt: noon(), ExpiresAt: noon().Add(time.Hour), UsesLeft: uses}
}

func tokenSentences() []sentence {
	return []sentence{
		{"Every field comes back", func(t *testing.T, s Stores) {
			want := token("t1", 3)
			want.Labels, want.Approve = map[string]string{"rack": "7", "zone": "a"}, true
			must(t, s.Tokens.CreateToken(t.Context(), want))
			wantEqual(t, got(s.Tokens.Tokens(t.Context(), noon()))(t), []fleet.Token{want})
		}},
		{"Those that can still be used", func(t *testing.T, s Stores) {
			expired, revoked, spent, good := token("expired", 1), token("revoked", 1), token("spent", 0), token("good", 1)
			expired.ExpiresAt = noon()
			revoked.RevokedAt = noon()
			for _, one := range []fleet.Token{expired, revoked, spent, good} {
				must(t, s.Tokens.CreateToken(t.Context(), one))
			}
			wantEqual(t, got(s.Tokens.Tokens(t.Context(), noon()))(t), []fleet.Token{good})
		}},
		{"A revoked one can't be used, and is gone once", func(t *testing.T, s Stores) {
			one, other := token("one", 1), token("other", 1)
			must(t, s.Tokens.CreateToken(t.Context(), one))
			must(t, s.Tokens.CreateToken(t.Context(), other))
			for range 2 {
				must(t, s.Tokens.RevokeToken(t.Context(), one.ID, noon()))
			}
			wantEqual(t, got(s.Tokens.Tokens(t.Context(), noon()))(t), []fleet.Token{other})
			_, err := s.Hosts.Enrol(t.Context(), one.Hash, noon(), host("h1", "one"))
			wantKind(t, err, fault.Unauthenticated)
			wantKind(t, s.Tokens.RevokeToken(t.Context(), "nope", noon()), fault.NotFound)
		}},
	}
}
