package api

import (
	"context"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
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
	cache := gguf.CacheType(r.Query.Get("cache_type"))
	if !slices.Contains([]gguf.CacheType{"", gguf.CacheF16, gguf.CacheQ8_0, gguf.CacheQ4_0}, cache) {
		return nil, fault.New(fault.Invalid, "the parameter %q is %q, not one of f16, q8_0 and q4_0", "cache_type", cache).On(fault.Caller)
	}
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	ask := fit.Ask{ContextTokens: uint64(contextTokens), Parallel: uint64(parallel), CacheType: cache}
	fits, err := a.Catalogue.Fits(m.Name, listed(r.Query, "hosts"), ask)
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, fits)
}
