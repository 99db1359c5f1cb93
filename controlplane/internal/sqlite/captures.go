package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// captureBatch is how many captures are deleted in one transaction.
const captureBatch = 50

// appendCapture stores what a request, which has this number, asked and was answered.
func appendCapture(ctx context.Context, tx *sql.Tx, number int64, r *fleet.UsageRow) error {
	c := r.Capture
	_, err := tx.ExecContext(ctx,
		`INSERT INTO captures (number, id, at, request, request_cut, answer, answer_cut) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		number, r.ID, column(r.At), blob(c.Request), c.RequestCut, blob(c.Answer), c.AnswerCut)
	return err
}

// blob is a column's value that is empty rather than NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Capture implements [fleet.UsageStore].
func (u *Usage) Capture(ctx context.Context, id string) (c fleet.Capture, err error) {
	err = u.read(ctx, "read capture", func(ctx context.Context, pool *sql.DB) error {
		err := pool.QueryRowContext(ctx,
			`SELECT request, request_cut, answer, answer_cut FROM captures WHERE id = $1 ORDER BY number DESC LIMIT 1`, id,
		).Scan(&c.Request, &c.RequestCut, &c.Answer, &c.AnswerCut)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "nothing is kept of what the request %q asked and was answered", id)
		}
		return err
	})
	return c, err
}

// DeleteCaptures implements [fleet.UsageStore].
func (u *Usage) DeleteCaptures(ctx context.Context) error {
	return u.deleteCapturesBefore(ctx, math.MaxInt64)
}

// deleteCapturesBefore deletes the captures of requests that came earlier, in
// small transactions. What they held is overwritten in the file.
func (u *Usage) deleteCapturesBefore(ctx context.Context, at int64) error {
	for more := true; more; {
		err := u.write(ctx, "delete captures", func(ctx context.Context, tx *sql.Tx) (err error) {
			if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
				return err
			}
			defer func() {
				_, off := tx.ExecContext(ctx, `PRAGMA secure_delete = OFF`)
				err = errors.Join(err, off)
			}()
			result, err := tx.ExecContext(ctx,
				`DELETE FROM captures WHERE number IN (SELECT number FROM captures WHERE at < $1 ORDER BY at LIMIT $2)`, at, captureBatch)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			more = n == captureBatch
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
