package main

import (
	"context"

	"github.com/corral-fleet/corral/plugins/internal/chattemplate"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Plan implements [loader.Loader].
func (folderLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Format != format {
		return loader.Recipe{}, fault.New(fault.Invalid, "a model in the format %q is none of this loader's", r.Info.Format)
	}
	if !converts(r.Ollama, r.Info.Architecture) {
		return loader.Recipe{}, fault.New(fault.NotImplemented, "Ollama %s does not convert models of the architecture %.80s: take it as GGUF", r.Ollama, r.Info.Architecture)
	}
	d := loader.Defaults{Convert: true}
	if t, found := chattemplate.Find(r.Info.Template); found {
		d.Template, d.Parameters = t.Text, t.Parameters
	}
	return loader.Compose(r, d)
}
