package main

import (
	"context"

	"github.com/corral-fleet/corral/plugins/internal/chattemplate"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Plan implements [loader.Loader].
func (ggufLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Format != format {
		return loader.Recipe{}, fault.New(fault.Invalid, "a model in the format %q is none of this loader's", r.Info.Format)
	}
	var d loader.Defaults
	if t, found := chattemplate.Find(r.Info.Template); found && r.Info.Kind == loader.KindModel {
		d.Template, d.Parameters = t.Text, t.Parameters
	}
	return loader.Compose(r, d)
}
