package api

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (a *API) keys(ctx context.Context, _ *edge.Request) (*edge.Response, error) {
	keys, err := a.Keys.Keys(ctx)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		keys = []fleet.Key{}
	}
	return edge.JSON(200, keys)
}

// keyCreated is a new key with what is shown of it once.
type keyCreated struct {
	fleet.Key
	Secret string `json:"key"`
}

// createKey answers with a key that can't be had again.
func (a *API) createKey(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	var asked struct {
		Name     string     `json:"name"`
		Role     fleet.Role `json:"role"`
		Priority int        `json:"priority"`
	}
	if err := decode(r.Body, &asked); err != nil {
		return nil, err
	}
	switch {
	case asked.Name == "":
		return nil, missing("name")
	case asked.Role == "":
		return nil, missing("role")
	}
	secret, key, err := a.Keys.Create(ctx, asked.Name, asked.Role, asked.Priority)
	if err != nil {
		return nil, err
	}
	a.Log.Info("key created", "key_id", key.ID, "name", key.Name, "role", string(key.Role), "priority", key.Priority, "caller", r.Caller.ID)
	return edge.JSON(201, keyCreated{key, secret.Reveal()})
}

// changeKey changes what may be changed of a key, and answers with the key.
func (a *API) changeKey(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	var asked struct {
		Priority *int `json:"priority"`
	}
	if err := decode(r.Body, &asked); err != nil {
		return nil, err
	}
	if asked.Priority == nil {
		return nil, missing("priority")
	}
	key, err := a.Keys.SetPriority(ctx, r.Param("id"), *asked.Priority)
	if err != nil {
		return nil, err
	}
	a.Log.Info("key changed", "key_id", key.ID, "priority", key.Priority, "caller", r.Caller.ID)
	return edge.JSON(200, key)
}

func (a *API) revokeKey(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if err := a.Keys.Revoke(ctx, r.Param("id")); err != nil {
		return nil, err
	}
	a.Log.Info("key revoked", "key_id", r.Param("id"), "caller", r.Caller.ID)
	return &edge.Response{Status: 204}, nil
}

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
	}{TTLSeconds: int64(defaultTokenTTL.Seconds()), Uses: defaultTokenUses}
	if len(r.Body) > 0 {
		if err := decode(r.Body, &asked); err != nil {
			return nil, err
		}
	}
	if asked.TTLSeconds < 1 || asked.TTLSeconds > maxTokenSeconds {
		return nil, fault.New(fault.Invalid, "the field %q is %d; a token is good for 1 second at least and 365 days at most", "ttl_seconds", asked.TTLSeconds).On(fault.Caller)
	}
	secret, token, err := a.Tokens.CreateToken(ctx, time.Duration(asked.TTLSeconds)*time.Second, asked.Uses, asked.Labels)
	if err != nil {
		return nil, err
	}
	a.Log.Info("join token created", "token_id", token.ID, "uses", token.UsesLeft, "caller", r.Caller.ID)
	return edge.JSON(201, tokenCreated{token, secret.Reveal()})
}
