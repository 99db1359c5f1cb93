package sqlite

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"
)

// DB is a data directory's state, metrics history and usage together.
type DB struct {
	*State
	*Metrics
	*Usage
}

// Open opens the state, the metrics history and the usage in dir, and makes the
// directory and the files where they are missing. See [OpenState] for its errors.
func Open(ctx context.Context, dir string, logger hclog.Logger) (*DB, error) {
	state, err := OpenState(ctx, dir, logger)
	if err != nil {
		return nil, err
	}
	metrics, err := OpenMetrics(ctx, dir, logger)
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	usage, err := OpenUsage(ctx, dir, logger)
	if err != nil {
		return nil, errors.Join(err, metrics.Close(), state.Close())
	}
	return &DB{State: state, Metrics: metrics, Usage: usage}, nil
}

// Run keeps the files in order until ctx ends, which is not an error.
func (db *DB) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return db.State.Run(ctx) })
	group.Go(func() error { return db.Metrics.Run(ctx) })
	group.Go(func() error { return db.Usage.Run(ctx) })
	return group.Wait()
}

// DataVersion is the state's; see [State.DataVersion].
func (db *DB) DataVersion(ctx context.Context) (int64, error) { return db.State.DataVersion(ctx) }

// Close commits what waits to be written and closes the files. Calls that
// come later are fault.Unavailable.
func (db *DB) Close() error {
	return errors.Join(db.Usage.Close(), db.Metrics.Close(), db.State.Close())
}
