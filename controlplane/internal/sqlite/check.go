package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// checkTimeout bounds the check at start. State is read whole in far less; a
// long history is read as far as the time goes.
const checkTimeout = 5 * time.Second

// check reads the file for damage before anything is written to it.
func (d *database) check(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var verdict string
	err := d.writer.pool.QueryRowContext(limited, "PRAGMA quick_check(1)").Scan(&verdict)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		d.logger.Info("file is too large to be checked whole at start", "checked_for", checkTimeout)
		return nil
	case err != nil:
		return err
	case verdict != "ok":
		return fault.Wrap(fault.Corrupt, errors.New(verdict), "%s is damaged; restore it from a backup", d.path)
	}
	return nil
}
