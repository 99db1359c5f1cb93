// Command corral-plugin-storage-registry reads models of Ollama's registry, and of others
// that speak as OCI has it.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "registry", Version: "0.1.0", Publisher: "Corral", Summary: "Reads models of Ollama's registry, and of others that speak as OCI has it.",
	}, plugin.Storage(open)))
}
