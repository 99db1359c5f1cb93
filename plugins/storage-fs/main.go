// Command corral-plugin-storage-fs keeps objects in a directory, each in a file of
// its own.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "fs", Version: "0.1.0", Publisher: "Corral", Summary: "Keeps objects in a directory, each in a file of its own.",
	}, plugin.Storage(open)))
}
