// Command corral-plugin-loader-safetensors knows models as Hugging Face has them: a folder
// with config.json, a tokenizer, and weights in safetensors files. Ollama converts them.
package main

import (
	"context"
	"os"

	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "safetensors", Version: "0.1.0", Publisher: "Corral",
		Summary: "Knows folders of Hugging Face with weights in safetensors files, which Ollama converts.",
	}, plugin.Loader(open)))
}

// settings are none.
type settings struct{}

func open(context.Context, settings) (loader.Loader, error) { return folderLoader{}, nil }

// format is what the loader calls what it knows.
const format = "safetensors"

type folderLoader struct{}
