package api

import (
	"context"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (a *API) models(context.Context, *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, a.Summary.Models())
}

func (a *API) model(_ context.Context, r *edge.Request) (*edge.Response, error) {
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, m)
}

// findModel finds a model by its id, its name, or its name and a digest.
func (a *API) findModel(ref string) (*fleet.Model, error) {
	name, digest := fleet.SplitDigest(ref)
	id := fleet.ModelID(name)
	for _, m := range a.Summary.Models() {
		if m.ID == ref || m.ID == id && (digest == "" || slices.Contains(m.Digests, digest)) {
			return &m, nil
		}
	}
	return nil, fault.New(fault.NotFound, "model %q not found", ref).On(fault.Caller)
}
