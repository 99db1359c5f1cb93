// Command corral-plugin-loader-gguf knows models in GGUF files, as llama.cpp and Ollama
// have them: whole, split, with a projector, an adapter or a draft beside them.
package main

import (
	"context"
	"os"

	"github.com/corral-fleet/corral/plugins/internal/ggufmodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "gguf", Version: "0.1.0", Publisher: "Corral",
		Summary: "Knows models in GGUF files: whole, split, with a projector, an adapter or a draft.",
	}, plugin.Loader(open)))
}

// settings are none.
type settings struct{}

func open(context.Context, settings) (loader.Loader, error) { return ggufLoader{}, nil }

type ggufLoader struct{}

// Inspect implements [loader.Loader].
func (ggufLoader) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	return ggufmodel.Inspect(ctx, files)
}
