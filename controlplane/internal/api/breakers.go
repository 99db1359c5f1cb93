package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func (a *API) breakers(context.Context, *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, a.Breakers.Breakers())
}

// resetBreakers closes breakers: those of a host, of an instance and of a model,
// as far as the body names them.
func (a *API) resetBreakers(_ context.Context, r *edge.Request) (*edge.Response, error) {
	var asked struct {
		Host     string `json:"host"`
		Instance string `json:"instance"`
		Model    string `json:"model"`
	}
	if len(r.Body) > 0 {
		if err := decode(r.Body, &asked); err != nil {
			return nil, err
		}
	}
	which := fleet.BreakerFilter{Instance: asked.Instance, Model: asked.Model}
	if asked.Host != "" {
		host, err := a.Registry.Find(asked.Host)
		if err != nil {
			return nil, err
		}
		which.HostID = host.ID
	}
	closed := a.Breakers.ResetBreakers(which)
	a.Log.Info("breakers reset", "host_id", which.HostID, "instance", which.Instance, "model", which.Model, "closed", closed, "caller", r.Caller.ID)
	return edge.JSON(200, struct {
		Closed int `json:"closed"`
	}{closed})
}
