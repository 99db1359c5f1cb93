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

// findModel finds a model by its id, its name or an alias, or either with a digest. An alias
// hides a model that bears it as its name, as it does for callers.
func (a *API) findModel(ref string) (*fleet.Model, error) {
	name, digest := fleet.SplitDigest(ref)
	all := a.Summary.Models()
	id := fleet.ModelID(name)
	for i := range all {
		if slices.ContainsFunc(all[i].Aliases, func(alias string) bool { return fleet.SameModel(alias, name) }) {
			id = all[i].ID
		}
	}
	for _, m := range all {
		if m.ID == ref || m.ID == id && (digest == "" || slices.Contains(m.Digests, digest)) {
			return &m, nil
		}
	}
	return nil, fault.New(fault.NotFound, "model %q not found", ref).On(fault.Caller)
}
