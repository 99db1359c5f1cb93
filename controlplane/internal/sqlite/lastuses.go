package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// LastUses implements [fleet.UsageStore].
func (u *Usage) LastUses(ctx context.Context, exactSince time.Time) (list []fleet.LastUse, err error) {
	err = u.read(ctx, "find last uses", func(ctx context.Context, pool *sql.DB) (err error) {
		list, err = collect(ctx, pool, func(row scanner) (use fleet.LastUse, err error) {
			var at int64
			err = row.Scan(&use.Model, &use.HostID, &at)
			use.At = timeOf(at)
			return use, err
		}, `SELECT model, host_id, MAX(at) FROM (
				SELECT model, host_id, hour * $1 AS at FROM totals
				UNION ALL SELECT model, host_id, at FROM requests WHERE at >= $2
			) AS uses WHERE host_id <> '' GROUP BY model, host_id ORDER BY model, host_id`, microsPerHour, column(exactSince))
		return err
	})
	return list, err
}
