package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
)

// The most that can be asked for, which is beyond what any model does.
const (
	maxContextTokens = 1 << 30
	maxParallel      = 1 << 16
)

// modelFit says for each host whether a model fits there, and what it would take.
func (a *API) modelFit(_ context.Context, r *edge.Request) (*edge.Response, error) {
	contextTokens, err := integer(r.Query, "context", 0, 1, maxContextTokens)
	if err != nil {
		return nil, err
	}
	parallel, err := integer(r.Query, "parallel", 0, 1, maxParallel)
	if err != nil {
		return nil, err
	}
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	fits, err := a.Catalogue.Fits(m.Name, listed(r.Query, "hosts"), fit.Ask{ContextTokens: uint64(contextTokens), Parallel: uint64(parallel)})
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, fits)
}
