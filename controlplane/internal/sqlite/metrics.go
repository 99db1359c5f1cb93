package sqlite

import (
	"context"
	"embed"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

//go:embed migrations/metrics/*.sql
var metricsMigrations embed.FS

// Metrics is the file of the hosts' samples. It is apart from the state, so
// that a history that grows or breaks never stands in the way of a key or a
// host. Its methods may be called concurrently.
type Metrics struct {
	*database
	numbers numbers
}

var _ fleet.SampleStore = (*Metrics)(nil)

// OpenMetrics opens metrics.db in dir. Its errors are those of [OpenState].
func OpenMetrics(ctx context.Context, dir string, logger hclog.Logger) (*Metrics, error) {
	db, err := open(ctx, dir, "metrics.db", metricsMigrations, logger)
	if err != nil {
		return nil, err
	}
	return &Metrics{database: db, numbers: numbers{known: map[run]number{}}}, nil
}
