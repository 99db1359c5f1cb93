// Command corral-plugin-storage-hf reads repositories of models of Hugging Face, or of a
// hub that speaks as it does.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "hf", Version: "0.1.0", Publisher: "Corral", Summary: "Reads repositories of models of Hugging Face.",
	}, plugin.Storage(open)))
}
