// Command corral-plugin-storage-gcs keeps objects in a bucket of Google Cloud Storage.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "gcs", Version: "0.1.0", Publisher: "Corral", Summary: "Keeps objects in a bucket of Google Cloud Storage.",
	}, plugin.Storage(open)))
}
