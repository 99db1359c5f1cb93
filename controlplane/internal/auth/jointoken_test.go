package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestAJoinTokenLetsAHostJoin(t *testing.T) {
	state, authority := openState(t, t.TempDir()), certificate(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tokens := auth.NewJoinTokens(state, authority, func() time.Time { return now })
	secret, token, err := tokens.CreateToken(t.Context(), auth.TokenSpec{TTL: time.Hour, Uses: 2, Labels: map[string]string{"rack": "7"}, Approve: true})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := state.Tokens(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]fleet.Token{token}, stored); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	shown, err := wire.ParseJoinToken(secret.Reveal())
	if err != nil || !shown.Names(authority) || shown.Names(certificate(t)) {
		t.Errorf("the token names another authority (%v)", err)
	}
	listed, err := tokens.Tokens(t.Context())
	if err != nil || len(listed) != 1 || listed[0].ID != token.ID {
		t.Errorf("listed as %v (%v)", listed, err)
	}
	host, err := state.Enrol(t.Context(), shown.Hash(), now.Add(time.Minute), fleet.Host{ID: "h1", Name: "one", PublicKey: []byte("key")})
	if err != nil || host.Labels["rack"] != "7" || !host.Pending {
		t.Errorf("joined as %v (%v)", host, err)
	}
	_, err = state.Enrol(t.Context(), shown.Hash(), now.Add(time.Hour), fleet.Host{ID: "h2", Name: "two", PublicKey: []byte("key")})
	if fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("after its hour: %v", err)
	}
}

func TestJoinTokensOutOfBoundsAreInvalid(t *testing.T) {
	state := openState(t, t.TempDir())
	tokens := auth.NewJoinTokens(state, certificate(t), time.Now)
	many := map[string]string{}
	for i := range 33 {
		many[strings.Repeat("x", i+1)] = ""
	}
	f := func(ttl time.Duration, uses int, labels map[string]string) {
		t.Helper()
		if _, _, err := tokens.CreateToken(t.Context(), auth.TokenSpec{TTL: ttl, Uses: uses, Labels: labels}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("got %v, want it to be invalid", err)
		}
	}
	f(0, 1, nil)
	f(-time.Second, 1, nil)
	f(366*24*time.Hour, 1, nil)
	f(time.Hour, 0, nil)
	f(time.Hour, 1_000_000, nil)
	f(time.Hour, 1, many)
	for _, name := range []string{"", "a b", "a=b", "a,b", "a\n", strings.Repeat("x", 129)} {
		f(time.Hour, 1, map[string]string{name: "fine"})
	}
	f(time.Hour, 1, map[string]string{"fine": "a\x00b"})
	if left, err := state.Tokens(t.Context(), time.Now()); err != nil || len(left) != 0 {
		t.Errorf("%d tokens are stored (%v)", len(left), err)
	}
}
