package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
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
