package api

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Defaults of a join token: it is good for one host that joins within the hour.
const (
	defaultTokenTTL  = time.Hour
	defaultTokenUses = 1
	maxTokenSeconds  = 366 * 24 * 60 * 60 // beyond what a token may last, and no overflow of a duration
)

// tokenCreated is a new token with what is shown of it once.
type tokenCreated struct {
	fleet.Token
	Secret string `json:"token"`
}

// createToken answers with a token that can't be had again.
func (a *API) createToken(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	asked := struct {
		TTLSeconds int64             `json:"ttl_seconds"`
		Uses       int               `json:"uses"`
		Labels     map[string]string `json:"labels"`
		Approve    bool              `json:"approve"`
	}{TTLSeconds: int64(defaultTokenTTL.Seconds()), Uses: defaultTokenUses}
	if len(r.Body) > 0 {
		if err := decode(r.Body, &asked); err != nil {
			return nil, err
		}
	}
	if asked.TTLSeconds < 1 || asked.TTLSeconds > maxTokenSeconds {
		return nil, fault.New(fault.Invalid, "the field %q is %d; a token is good for 1 second at least and 365 days at most", "ttl_seconds", asked.TTLSeconds).On(fault.Caller)
	}
	secret, token, err := a.Tokens.CreateToken(ctx, auth.TokenSpec{
		TTL: time.Duration(asked.TTLSeconds) * time.Second, Uses: asked.Uses, Labels: asked.Labels, Approve: asked.Approve,
	})
	if err != nil {
		return nil, err
	}
	a.Log.Info("join token created", "token_id", token.ID, "uses", token.UsesLeft, "approve", token.Approve, "caller", r.Caller.ID)
	return edge.JSON(201, tokenCreated{token, secret.Reveal()})
}

// tokens lists the tokens with which a host can join now, without their secrets.
func (a *API) tokens(ctx context.Context, _ *edge.Request) (*edge.Response, error) {
	tokens, err := a.Tokens.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	if tokens == nil {
		tokens = []fleet.Token{}
	}
	return edge.JSON(200, tokens)
}

func (a *API) revokeToken(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if err := a.Tokens.RevokeToken(ctx, r.Param("id")); err != nil {
		return nil, err
	}
	a.Log.Info("join token revoked", "token_id", r.Param("id"), "caller", r.Caller.ID)
	return &edge.Response{Status: 204}, nil
}
