package sqlite

import (
	"context"
	"embed"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

//go:embed migrations/state/*.sql
var stateMigrations embed.FS

// State is the file of what must never be lost: keys, tokens, hosts, settings,
// storages, the catalogue of models, operations, uploads and counters. Its methods
// may be called concurrently.
type State struct{ *database }

var (
	_ fleet.KeyStore       = (*State)(nil)
	_ fleet.TokenStore     = (*State)(nil)
	_ fleet.HostStore      = (*State)(nil)
	_ fleet.SettingsStore  = (*State)(nil)
	_ fleet.CounterStore   = (*State)(nil)
	_ fleet.StorageStore   = (*State)(nil)
	_ fleet.CatalogueStore = (*State)(nil)
	_ fleet.OperationStore = (*State)(nil)
	_ fleet.UploadStore    = (*State)(nil)
)

// OpenState opens state.db in dir, and makes both where they are missing. A
// damaged file is fault.Corrupt, one that a newer build has written is
// fault.Conflict; neither is changed.
func OpenState(ctx context.Context, dir string, logger hclog.Logger) (*State, error) {
	db, err := open(ctx, dir, "state.db", stateMigrations, logger)
	if err != nil {
		return nil, err
	}
	return &State{db}, nil
}
