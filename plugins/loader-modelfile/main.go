// Command corral-plugin-loader-modelfile knows Modelfiles with the GGUFs that they name, or
// of a model that Ollama has by its name, and models as Ollama keeps them: archives of its
// store, and what a registry has.
package main

import (
	"context"
	"os"

	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "modelfile", Version: "0.1.0", Publisher: "Corral",
		Summary: "Knows Modelfiles with the GGUFs that they name, or of a model that Ollama has, and models as Ollama keeps them.",
	}, plugin.Loader(start)))
}

// settings are none.
type settings struct{}

func start(context.Context, settings) (loader.Loader, error) { return modelfileLoader{}, nil }

// format is what the loader calls what it knows.
const format = "modelfile"

type modelfileLoader struct{}
