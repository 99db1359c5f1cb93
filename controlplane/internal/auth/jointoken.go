package auth

import (
	"context"
	"crypto/x509"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Bounds of what a join token may be asked to be.
const (
	maxTokenTTL   = 365 * 24 * time.Hour
	maxTokenUses  = 100_000
	maxLabels     = 32
	maxLabelRunes = 128
)

// JoinTokens makes the tokens with which agents join.
type JoinTokens struct {
	store     fleet.TokenStore
	authority *x509.Certificate
	now       func() time.Time
}

// NewJoinTokens returns a maker of tokens that name the control plane's own
// certificate authority.
func NewJoinTokens(store fleet.TokenStore, authority *x509.Certificate, now func() time.Time) *JoinTokens {
	return &JoinTokens{store: store, authority: authority, now: now}
}

// TokenSpec is what a join token is asked to be.
type TokenSpec struct {
	TTL     time.Duration     // how long it is good
	Uses    int               // how many hosts may join with it
	Labels  map[string]string // given to the hosts that join with it
	Approve bool              // they wait for an operator's approval
}

// CreateToken makes and stores a token. What is out of bounds is fault.Invalid.
func (j *JoinTokens) CreateToken(ctx context.Context, spec TokenSpec) (wire.JoinToken, fleet.Token, error) {
	if err := checkToken(spec.TTL, spec.Uses, spec.Labels); err != nil {
		return wire.JoinToken{}, fleet.Token{}, err
	}
	secret, now := wire.NewJoinToken(j.authority), j.now()
	token := fleet.Token{
		ID: newID("tok_"), Hash: secret.Hash(), Labels: spec.Labels, CreatedAt: now,
		ExpiresAt: now.Add(spec.TTL), UsesLeft: spec.Uses, Approve: spec.Approve,
	}
	if err := j.store.CreateToken(ctx, token); err != nil {
		return wire.JoinToken{}, fleet.Token{}, err
	}
	return secret, token, nil
}

// Tokens returns every token with which a host can join now.
func (j *JoinTokens) Tokens(ctx context.Context) ([]fleet.Token, error) {
	return j.store.Tokens(ctx, j.now())
}

// RevokeToken ends a token; hosts that joined with it stay. An unknown id is
// fault.NotFound.
func (j *JoinTokens) RevokeToken(ctx context.Context, id string) error {
	return j.store.RevokeToken(ctx, id, j.now())
}

func checkToken(ttl time.Duration, uses int, labels map[string]string) error {
	switch {
	case ttl <= 0 || ttl > maxTokenTTL:
		return fault.New(fault.Invalid, "a join token is good for more than nothing and at most %d days", int(maxTokenTTL.Hours()/24))
	case uses < 1 || uses > maxTokenUses:
		return fault.New(fault.Invalid, "a join token is good for 1 to %d uses", maxTokenUses)
	case len(labels) > maxLabels:
		return fault.New(fault.Invalid, "a join token has %d labels at most", maxLabels)
	}
	for name, value := range labels {
		if name == "" || strings.ContainsAny(name, "= ,") || !labelText(name) || !labelText(value) {
			return fault.New(fault.Invalid,
				"the label %q is not name=value of printable characters, each at most %d, the name without blanks and commas",
				name, maxLabelRunes)
		}
	}
	return nil
}

func labelText(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxLabelRunes && !strings.ContainsFunc(s, notPrintable)
}
