package sqlite

import (
	"context"
	"embed"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

//go:embed migrations/usage/*.sql
var usageMigrations embed.FS

// Usage is the file of what requests used. It is apart from the others, so that
// many requests never stand in the way of a key, a host or a sample. Its methods
// may be called concurrently.
type Usage struct{ *database }

var _ fleet.UsageStore = (*Usage)(nil)

// OpenUsage opens usage.db in dir. Its errors are those of [OpenState].
func OpenUsage(ctx context.Context, dir string, logger hclog.Logger) (*Usage, error) {
	db, err := open(ctx, dir, "usage.db", usageMigrations, logger)
	if err != nil {
		return nil, err
	}
	return &Usage{db}, nil
}
