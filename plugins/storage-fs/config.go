package main

import (
	"context"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/storage"
)

// settings are those of one directory.
type settings struct {
	Directory string `yaml:"directory" help:"where the objects are kept, an absolute path; it is made where it is missing"`
	Sync      bool   `yaml:"sync" help:"whether an object counts as stored only when the disk has it; without, a loss of power may lose or empty it"`
}

// SetDefaults sets what holds where nothing is said.
func (s *settings) SetDefaults() { s.Sync = true }

// Validate implements [config.Validator].
func (s *settings) Validate(report config.Report) {
	if !filepath.IsAbs(s.Directory) {
		report("directory", "has to be an absolute path, such as /srv/models")
	}
}

func open(_ context.Context, s settings) (storage.Backend, error) {
	return newDirectory(filepath.Clean(s.Directory), s.Sync)
}
