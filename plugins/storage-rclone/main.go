// Command corral-plugin-storage-rclone keeps objects wherever rclone can: some sixty
// services, and file servers by SFTP, WebDAV, SMB or FTP.
package main

import (
	"os"

	_ "github.com/rclone/rclone/backend/all" // each registers itself

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "rclone", Version: "0.1.0", Publisher: "Corral", Summary: "Keeps objects in any of the services that rclone knows.",
	}, plugin.Storage(open)))
}
