// Command corral-plugin-storage-http reads files that a web server publishes.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "http", Version: "0.1.0", Publisher: "Corral", Summary: "Reads files that a web server publishes.",
	}, plugin.Storage(open)))
}
