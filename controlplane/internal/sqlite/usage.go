package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const microsPerHour = int64(time.Hour / time.Microsecond)

// AppendUsage implements [fleet.UsageStore].
func (u *Usage) AppendUsage(ctx context.Context, rows []fleet.UsageRow) error {
	if len(rows) == 0 {
		return nil
	}
	return u.write(ctx, "append usage", func(ctx context.Context, tx *sql.Tx) error {
		if err := appendUsage(ctx, tx, rows); err != nil {
			return err
		}
		return addUsage(ctx, tx, rows)
	})
}

func appendUsage(ctx context.Context, tx *sql.Tx, rows []fleet.UsageRow) (err error) {
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO requests (id, at, key_id, key_name, asked, model, digest, host_id, host, instance, dialect, route,
			streamed, outcome, error, queued, load, first, total, prompt, generated, per_second)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for i := range rows {
		r := &rows[i]
		stored, err := insert.ExecContext(ctx, r.ID, column(r.At), r.KeyID, r.Key, r.Asked, r.Model, r.Digest, r.HostID, r.Host,
			r.Instance, r.Dialect, r.Route, r.Streamed, r.Outcome, r.Error, micros(r.QueueMS), optionalMicros(r.LoadMS),
			optionalMicros(r.FirstMS), micros(r.TotalMS), optionalNumber(r.Prompt), optionalNumber(r.Generated), optionalFraction(r.PerSecond))
		if err != nil {
			return err
		}
		if r.Capture == nil {
			continue
		}
		number, err := stored.LastInsertId()
		if err == nil {
			err = appendCapture(ctx, tx, number, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// UsageRows implements [fleet.UsageStore].
func (u *Usage) UsageRows(ctx context.Context, f fleet.UsageFilter, after fleet.UsagePlace, limit int) (page []fleet.UsageRow, next fleet.UsagePlace, err error) {
	at, number := int64(math.MaxInt64), int64(math.MaxInt64)
	if after != (fleet.UsagePlace{}) {
		at, number = column(after.At), after.Number
	}
	var numbers []int64
	err = u.read(ctx, "list usage", func(ctx context.Context, pool *sql.DB) (err error) {
		where, args := ofKey(f, column(f.From), column(f.To), at, number, limit+1)
		page, err = collect(ctx, pool, func(row scanner) (fleet.UsageRow, error) {
			r, number, err := scanUsage(row)
			numbers = append(numbers, number)
			return r, err
		}, `SELECT number, id, at, key_id, key_name, asked, model, digest, host_id, host, instance, dialect, route,
			streamed, outcome, error, queued, load, first, total, prompt, generated, per_second
			FROM requests WHERE at >= $1 AND at < $2 AND (at, number) < ($3, $4)`+where+` ORDER BY at DESC, number DESC LIMIT $5`, args...)
		return err
	})
	if err != nil || len(page) <= limit {
		return page, fleet.UsagePlace{}, err
	}
	page = page[:limit]
	return page, fleet.UsagePlace{At: page[limit-1].At, Number: numbers[limit-1]}, nil
}

func scanUsage(row scanner) (r fleet.UsageRow, number int64, err error) {
	var at, queued, total int64
	var load, first, prompt, generated sql.NullInt64
	var perSecond sql.NullFloat64
	err = row.Scan(&number, &r.ID, &at, &r.KeyID, &r.Key, &r.Asked, &r.Model, &r.Digest, &r.HostID, &r.Host, &r.Instance,
		&r.Dialect, &r.Route, &r.Streamed, &r.Outcome, &r.Error, &queued, &load, &first, &total, &prompt, &generated, &perSecond)
	r.At, r.QueueMS, r.TotalMS = timeOf(at), millis(queued), millis(total)
	if load.Valid {
		r.LoadMS = new(millis(load.Int64))
	}
	if first.Valid {
		r.FirstMS = new(millis(first.Int64))
	}
	if prompt.Valid {
		r.Prompt = &prompt.Int64
	}
	if generated.Valid {
		r.Generated = &generated.Int64
	}
	if perSecond.Valid {
		r.PerSecond = &perSecond.Float64
	}
	return r, number, err
}

// DeleteUsageBefore implements [fleet.UsageStore]. It works in small
// transactions, so one that is cut short has forgotten a part.
func (u *Usage) DeleteUsageBefore(ctx context.Context, t time.Time) error {
	if err := u.deleteCapturesBefore(ctx, column(t)); err != nil {
		return err
	}
	for more := true; more; {
		err := u.write(ctx, "delete usage", func(ctx context.Context, tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx,
				`DELETE FROM requests WHERE number IN (SELECT number FROM requests WHERE at < $1 ORDER BY at LIMIT $2)`,
				column(t), retentionBatch)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			more = n == retentionBatch
			return err
		})
		if err != nil {
			return err
		}
	}
	return u.write(ctx, "delete totals of usage", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM totals WHERE hour < $1`, hourOf(t))
		return err
	})
}

// ofKey adds a filter's key to the arguments, and the condition that it makes.
func ofKey(f fleet.UsageFilter, args ...any) (string, []any) {
	if !f.OneKey {
		return "", args
	}
	return " AND key_id = $" + strconv.Itoa(len(args)+1), append(args, f.KeyID)
}

// hourOf is the number of the hour of a time.
func hourOf(t time.Time) int64 { return column(t) / microsPerHour }

func micros(ms float64) int64 { return int64(math.Round(ms * 1000)) }
func millis(us int64) float64 { return float64(us) / 1000 }

func optionalMicros(ms *float64) sql.NullInt64 {
	if ms == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: micros(*ms), Valid: true}
}

func optionalNumber(n *int64) sql.NullInt64 {
	if n == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: *n, Valid: true}
}

func optionalFraction(f *float64) sql.NullFloat64 {
	if f == nil {
		return sql.NullFloat64{}
	}
	return sql.NullFloat64{Float64: *f, Valid: true}
}
