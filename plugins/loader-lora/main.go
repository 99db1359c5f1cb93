// Command corral-plugin-loader-lora knows LoRA adapters as PEFT writes them: a folder with
// adapter_config.json and weights in a safetensors file. Ollama converts them for the
// model that they are put on.
package main

import (
	"context"
	"os"

	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "lora", Version: "0.1.0", Publisher: "Corral",
		Summary: "Knows LoRA adapters of PEFT, which Ollama converts for the model that they are put on.",
	}, plugin.Loader(open)))
}

// settings are none.
type settings struct{}

func open(context.Context, settings) (loader.Loader, error) { return adapterLoader{}, nil }

// format is what the loader calls what it knows.
const format = "lora"

type adapterLoader struct{}
