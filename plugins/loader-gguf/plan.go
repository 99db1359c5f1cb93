package main

import (
	"context"

	"github.com/corral-fleet/corral/plugins/internal/ggufmodel"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Plan implements [loader.Loader].
func (ggufLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Format != ggufmodel.Format {
		return loader.Recipe{}, fault.New(fault.Invalid, "a model in the format %q is none of this loader's", r.Info.Format)
	}
	return loader.Compose(r, ggufmodel.Defaults(r.Info))
}
