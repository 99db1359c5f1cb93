// Command corral-plugin-storage-s3 keeps objects in a bucket of Amazon S3, or of a
// service that speaks its protocol, such as MinIO, Ceph, Cloudflare R2 or Backblaze B2.
package main

import (
	"os"

	"github.com/corral-fleet/corral/sdk/plugin"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "s3", Version: "0.1.0", Publisher: "Corral", Summary: "Keeps objects in a bucket of Amazon S3, or of a service that speaks its protocol.",
	}, plugin.Storage(open)))
}
