package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// checkTimeout bounds the check at start. State is read whole in far less; a
// long history is read as far as the time goes.
const checkTimeout = 5 * time.Second

// check reads the file for damage, and returns whether there was time for all of it.
func (d *database) check(ctx context.Context, pool *sql.DB) (whole bool, err error) {
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var verdict string
	err = pool.QueryRowContext(limited, "PRAGMA quick_check(1)").Scan(&verdict)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return false, nil
	case err != nil:
		return false, err
	case verdict != "ok":
		return false, fault.Wrap(fault.Corrupt, errors.New(verdict), "%s is damaged; restore it from a backup", d.path)
	}
	return true, nil
}
