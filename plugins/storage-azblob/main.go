// Command corral-plugin-storage-azblob keeps objects in a container of Azure Blob
// Storage.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "azblob", Version: "0.1.0", Publisher: "Corral", Summary: "Keeps objects in a container of Azure Blob Storage.",
	}, plugin.Storage(open)))
}
