// Command corral-plugin-storage-sqlite keeps objects in one SQLite file, which is
// easily copied and carried.
package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
)

func main() {
	os.Exit(plugin.Main(plugin.About{
		Name: "sqlite", Version: "0.1.0", Publisher: "an example", Summary: "Keeps objects in one SQLite file.",
	}, plugin.Storage(open)))
}

// settings are those of one file.
type settings struct {
	File string `yaml:"file" help:"the database, an absolute path; it is made where it is missing"`
}

// Validate says what is wrong with the settings, beside the field.
func (s *settings) Validate(report config.Report) {
	if !filepath.IsAbs(s.File) {
		report("file", "has to be an absolute path, such as /srv/models.db")
	}
}

func open(ctx context.Context, s settings) (storage.Backend, error) {
	return openDatabase(ctx, s.File)
}
