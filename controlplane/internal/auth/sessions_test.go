package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/fault"
)

// gate is what sessions are made of, with a secret and a clock that tests set.
type gate struct {
	*auth.Sessions
	t      testing.TB
	ring   *auth.Keyring
	state  *sqlite.State
	clock  clock
	secret atomic.Pointer[string]
	key    auth.Secret
	stored fleet.Key
	edit   atomic.Pointer[func([]fleet.Key) []fleet.Key] // of what is read from the store; nil: nothing
}

// edited is a store whose keys are edited when they are read.
type edited struct {
	*sqlite.State
	g *gate
}

func (e edited) Keys(ctx context.Context) ([]fleet.Key, error) {
	keys, err := e.State.Keys(ctx)
	if edit := e.g.edit.Load(); edit != nil {
		keys = (*edit)(keys)
	}
	return keys, err
}

const (
	firstSecret  = "the first secret, of 32 bytes or more"
	secondSecret = "the second secret, of 32 bytes or more"
)

func newGate(t testing.TB) *gate {
	t.Helper()
	state, err := sqlite.OpenState(t.Context(), t.TempDir(), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	g := &gate{t: t, state: state}
	g.sign(firstSecret)
	g.ring = auth.NewKeyring(edited{state, g}, g.clock.now, hclog.NewNullLogger())
	g.Sessions = auth.NewSessions(g.ring, state, func() string { return *g.secret.Load() }, g.clock.now)
	if g.key, g.stored, err = g.ring.Create(t.Context(), "laptop", fleet.RoleViewer, 0); err != nil {
		t.Fatal(err)
	}
	return g
}

// sign changes the secret that signs sessions.
func (g *gate) sign(secret string) { g.secret.Store(&secret) }

// open opens a session and returns its token.
func (g *gate) open() string {
	g.t.Helper()
	session, err := g.ByKey(g.t.Context(), g.key.Reveal())
	if err != nil {
		g.t.Fatal(err)
	}
	return session.Token.Reveal()
}

// forge signs claims with whatever somebody else may have.
func (g *gate) forge(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	g.t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}

func TestASessionStandsForItsKey(t *testing.T) {
	g := newGate(t)
	session, err := g.ByKey(t.Context(), g.key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if want := g.clock.now().Add(auth.SessionTTL); !session.ExpiresAt.Equal(want) {
		t.Errorf("it expires at %v, want %v", session.ExpiresAt, want)
	}
	key, expires, ended, ok := g.Find(session.Token.Reveal())
	if !ok || !expires.Equal(session.ExpiresAt) || isGone(ended) {
		t.Fatalf("good is %v, until %v, ended is %v", ok, expires, isGone(ended))
	}
	if diff := cmp.Diff(g.stored, key); diff != "" {
		t.Errorf("key (-want +got)\n%s", diff)
	}
}

// A token can be read by who has it, and tells nothing.
func TestATokenHoldsAnIDAndTimesAlone(t *testing.T) {
	g := newGate(t)
	parts := strings.Split(g.open(), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	now := float64(g.clock.now().Unix())
	want := map[string]any{"sub": g.stored.ID, "iat": now, "exp": now + auth.SessionTTL.Seconds()}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTokensThatOthersMade(t *testing.T) {
	g := newGate(t)
	good := g.open()
	claims := func() jwt.MapClaims {
		return jwt.MapClaims{"sub": g.stored.ID, "iat": g.clock.now().Unix(), "exp": g.clock.now().Add(time.Hour).Unix()}
	}
	without := func(claim string) jwt.MapClaims { c := claims(); delete(c, claim); return c }
	with := func(claim string, value any) jwt.MapClaims { c := claims(); c[claim] = value; return c }
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hs256 := jwt.SigningMethodHS256
	secret := []byte(firstSecret)
	if _, _, _, ok := g.Find(g.forge(hs256, secret, claims())); !ok {
		t.Fatal("the token that the others differ from is not good itself")
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty":                "",
		"garbage":              "garbage",
		"dots":                 "..",
		"the key itself":       g.key.Reveal(),
		"no algorithm":         g.forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims()),
		"another algorithm":    g.forge(jwt.SigningMethodRS256, private, claims()),
		"another hash":         g.forge(jwt.SigningMethodHS512, secret, claims()),
		"another secret":       g.forge(hs256, []byte(secondSecret), claims()),
		"an empty secret":      g.forge(hs256, []byte{}, claims()),
		"expired":              g.forge(hs256, secret, with("exp", g.clock.now().Unix())),
		"never expires":        g.forge(hs256, secret, without("exp")),
		"not yet":              g.forge(hs256, secret, with("nbf", g.clock.now().Add(time.Minute).Unix())),
		"of nobody":            g.forge(hs256, secret, without("sub")),
		"of a key that is not": g.forge(hs256, secret, with("sub", "key_nobody")),
		"of a key's name":      g.forge(hs256, secret, with("sub", g.stored.Name)),
		"a list of keys":       g.forge(hs256, secret, with("sub", []string{g.stored.ID})),
		"no signature":         parts[0] + "." + parts[1] + ".",
		"others' claims":       parts[0] + "." + strings.Split(g.forge(hs256, secret, with("exp", g.clock.now().Add(2*auth.SessionTTL).Unix())), ".")[1] + "." + parts[2],
		"a byte more":          good + "A",
		"a blank more":         good + " ",
		"padded":               good + "=",
	} {
		if key, _, _, ok := g.Find(token); ok {
			t.Errorf("%s: let in as %v", name, key)
		}
	}
}

func TestASessionExpires(t *testing.T) {
	g := newGate(t)
	token := g.open()
	g.clock.advance(auth.SessionTTL - 1)
	if _, _, _, ok := g.Find(token); !ok {
		t.Error("it ended before its time")
	}
	g.clock.advance(1)
	if _, _, _, ok := g.Find(token); ok {
		t.Error("it was good after its time")
	}
}

func TestASessionEndsWithItsKey(t *testing.T) {
	remove := func([]fleet.Key) []fleet.Key { return nil }
	for name, end := range map[string]func(g *gate) error{
		"revoked": func(g *gate) error { return g.ring.Revoke(t.Context(), g.stored.ID) },
		"revoked by another process": func(g *gate) error {
			if err := g.state.RevokeKey(t.Context(), g.stored.ID, g.clock.now()); err != nil {
				return err
			}
			return g.ring.Reload(t.Context())
		},
		"removed": func(g *gate) error { g.edit.Store(&remove); return g.ring.Reload(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			token := g.open()
			_, _, ended, _ := g.Find(token)
			if err := end(g); err != nil {
				t.Fatal(err)
			}
			if !isGone(ended) {
				t.Error("what the session opened was not told")
			}
			if _, _, _, ok := g.Find(token); ok {
				t.Error("the session is still good")
			}
			if _, err := g.ByKey(t.Context(), g.key.Reveal()); fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("logging in again: %v", err)
			}
		})
	}
}

func TestARoleIsLookedUpEachTime(t *testing.T) {
	g := newGate(t)
	token := g.open()
	promote := func(keys []fleet.Key) []fleet.Key {
		keys = slices.Clone(keys)
		keys[0].Role = fleet.RoleAdmin
		return keys
	}
	g.edit.Store(&promote)
	if err := g.ring.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if key, _, ended, ok := g.Find(token); !ok || key.Role != fleet.RoleAdmin || isGone(ended) {
		t.Errorf("good is %v, as %v, ended is %v", ok, key.Role, isGone(ended))
	}
}

func TestAnotherSecretEndsAllSessions(t *testing.T) {
	g := newGate(t)
	_, gone, _ := g.ring.Find(g.key.Reveal())
	token := g.open()
	_, _, ended, _ := g.Find(token)
	g.sign(secondSecret)
	g.ring.EndSessions()
	if _, _, _, ok := g.Find(token); ok || !isGone(ended) {
		t.Errorf("good is %v, what it opened was told is %v", ok, isGone(ended))
	}
	if isGone(gone) {
		t.Error("the key ended with its sessions")
	}
	_, _, ended, ok := g.Find(g.open())
	if !ok || isGone(ended) {
		t.Errorf("a new session: good is %v, ended is %v", ok, isGone(ended))
	}
	if err := g.ring.Revoke(t.Context(), g.stored.ID); err != nil || !isGone(ended) || !isGone(gone) {
		t.Errorf("after the key was revoked: ended is %v, gone is %v, error %v", isGone(ended), isGone(gone), err)
	}
}

// Whoever is let in while the secret changes is told to leave.
func TestNoSessionSlipsThroughAChangeOfTheSecret(t *testing.T) {
	g := newGate(t)
	token := g.open()
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				_, _, ended, ok := g.Find(token)
				if !ok {
					return
				}
				select {
				case <-ended:
				default:
					defer func() {
						if !isGone(ended) {
							t.Error("a session outlives the secret that signed it")
						}
					}()
				}
			}
		})
	}
	g.sign(secondSecret)
	g.ring.EndSessions()
	callers.Wait()
}

func TestWithoutASecretThereAreNoSessions(t *testing.T) {
	g := newGate(t)
	g.sign("")
	if _, err := g.ByKey(t.Context(), g.key.Reveal()); fault.KindOf(err) != fault.Internal {
		t.Errorf("error is %v", err)
	}
	unsigned := g.forge(jwt.SigningMethodHS256, []byte{}, jwt.MapClaims{"sub": g.stored.ID, "exp": g.clock.now().Add(time.Hour).Unix()})
	if _, _, _, ok := g.Find(unsigned); ok {
		t.Error("a token that nobody signed is good")
	}
}

func TestWrongKeysOpenNoSession(t *testing.T) {
	g := newGate(t)
	for _, key := range []string{"", "crl_", "crl_" + strings.Repeat("A", 43), g.key.Reveal() + " ", g.open()} {
		if _, err := g.ByKey(t.Context(), key); fault.KindOf(err) != fault.Unauthenticated || fault.SideOf(err) != fault.Caller {
			t.Errorf("%q: %v", key, err)
		}
	}
	if _, err := g.ByKey(t.Context(), g.key.Reveal()); err != nil {
		t.Errorf("the right one after those: %v", err)
	}
}

func FuzzSession(f *testing.F) {
	g := newGate(f)
	good := g.open()
	f.Add(good)
	f.Add("")
	f.Add("a.b.c")
	f.Add(strings.Split(good, ".")[0] + ".e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, _, ok := g.Find(token); ok != (token == good) {
			t.Errorf("good is %v", ok)
		}
	})
}
