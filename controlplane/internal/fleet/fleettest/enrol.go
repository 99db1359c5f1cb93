package fleettest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func enrolSentences() []sentence {
	return []sentence{
		{"Stores the host and spends one use", func(t *testing.T, s Stores) {
			one := token("t", 2)
			must(t, s.Tokens.CreateToken(t.Context(), one))
			stored := got(s.Hosts.Enrol(t.Context(), one.Hash, noon(), host("h1", "one")))(t)
			wantEqual(t, stored, host("h1", "one"))
			wantEqual(t, got(s.Hosts.Hosts(t.Context()))(t), []fleet.Host{stored})
			wantEqual(t, got(s.Tokens.Tokens(t.Context(), noon()))(t)[0].UsesLeft, 1)
		}},
		{"Refuses a token that is no good", checkBadTokens},
		{"One use left lets exactly one in", checkTokenRace},
		{"A known host leaves the token alone", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"))
			again := token("again", 1)
			must(t, s.Tokens.CreateToken(t.Context(), again))
			stored := got(s.Hosts.Enrol(t.Context(), again.Hash, noon(), host("h1", "other")))(t)
			wantEqual(t, stored, host("h1", "one"))
			wantEqual(t, got(s.Tokens.Tokens(t.Context(), noon()))(t)[0].UsesLeft, 1)
		}},
		{"A repeat with the token that it used up is no error", func(t *testing.T, s Stores) {
			one := token("t", 1)
			must(t, s.Tokens.CreateToken(t.Context(), one))
			first := got(s.Hosts.Enrol(t.Context(), one.Hash, noon(), host("h1", "one")))(t)
			wantEqual(t, got(s.Hosts.Enrol(t.Context(), one.Hash, noon(), host("h1", "one")))(t), first)
		}},
		{"A known host with another key is a conflict", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"))
			impostor := host("h1", "one")
			impostor.PublicKey = []byte("another")
			_, err := s.Hosts.Enrol(t.Context(), token("t", 1).Hash, noon(), impostor)
			wantKind(t, err, fault.Conflict)
			wantEqual(t, hostByID(t, s, "h1"), host("h1", "one"))
		}},
		{"A taken name gets a number", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "gpu"), host("h2", "gpu"), host("h3", "gpu"))
			names := map[string]bool{}
			for _, h := range got(s.Hosts.Hosts(t.Context()))(t) {
				if names[h.Name] || !strings.HasPrefix(h.Name, "gpu") {
					t.Errorf("host %s is named %q", h.ID, h.Name)
				}
				names[h.Name] = true
			}
			wantEqual(t, hostByID(t, s, "h1").Name, "gpu")
		}},
		{"A token that wants approval makes the host wait for it", func(t *testing.T, s Stores) {
			one := token("t", 1)
			one.Approve = true
			must(t, s.Tokens.CreateToken(t.Context(), one))
			stored := got(s.Hosts.Enrol(t.Context(), one.Hash, noon(), host("h1", "one")))(t)
			wantEqual(t, stored.Pending, true)
			stored.Pending = false
			must(t, s.Hosts.SaveHost(t.Context(), stored))
			wantEqual(t, got(s.Hosts.Hosts(t.Context()))(t)[0].Pending, false)
		}},
		{"The token's labels stand under the host's own", func(t *testing.T, s Stores) {
			one := token("t", 1)
			one.Labels = map[string]string{"zone": "token", "rack": "token"}
			must(t, s.Tokens.CreateToken(t.Context(), one))
			h := host("h1", "one")
			h.Labels = map[string]string{"zone": "own", "gpu": "own"}
			stored := got(s.Hosts.Enrol(t.Context(), one.Hash, noon(), h))(t)
			wantEqual(t, stored.Labels, map[string]string{"zone": "own", "rack": "token", "gpu": "own"})
			wantEqual(t, hostByID(t, s, "h1"), stored)
		}},
	}
}

func checkBadTokens(t *testing.T, s Stores) {
	expired, revoked, spent := token("expired", 1), token("revoked", 1), token("spent", 0)
	expired.ExpiresAt = noon()
	revoked.RevokedAt = noon().Add(-time.Minute)
	for _, one := range []fleet.Token{expired, revoked, spent} {
		must(t, s.Tokens.CreateToken(t.Context(), one))
	}
	reasons := map[string]bool{}
	for _, bad := range []fleet.Token{token("unknown", 1), expired, revoked, spent} {
		_, err := s.Hosts.Enrol(t.Context(), bad.Hash, noon(), host("h-"+bad.ID, "one"))
		wantKind(t, err, fault.Unauthenticated)
		reasons[fault.MessageOf(err)] = true
	}
	wantEqual(t, len(reasons), 4) // each says its own reason
	wantEqual(t, len(got(s.Hosts.Hosts(t.Context()))(t)), 0)
}

func checkTokenRace(t *testing.T, s Stores) {
	one := token("t", 1)
	must(t, s.Tokens.CreateToken(t.Context(), one))
	var (
		callers sync.WaitGroup
		let     atomic.Int32
	)
	for i := range 20 {
		callers.Go(func() {
			id := fmt.Sprintf("h%d", i)
			switch _, err := s.Hosts.Enrol(t.Context(), one.Hash, noon(), host(id, id)); {
			case err == nil:
				let.Add(1)
			default:
				wantKind(t, err, fault.Unauthenticated)
			}
		})
	}
	callers.Wait()
	wantEqual(t, let.Load(), int32(1))
	wantEqual(t, len(got(s.Hosts.Hosts(t.Context()))(t)), 1)
}
