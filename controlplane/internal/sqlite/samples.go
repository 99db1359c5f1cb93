package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// AppendSamples implements [fleet.SampleStore]. A sequence number above
// math.MaxInt64 is fault.Invalid, and none of the rows is stored.
func (m *Metrics) AppendSamples(ctx context.Context, rows []fleet.SampleRow) error {
	for i := range rows {
		if rows[i].Seq > math.MaxInt64 {
			return fault.New(fault.Invalid, "the sequence number %d of a sample is out of range", rows[i].Seq)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return m.write(ctx, "append samples", func(ctx context.Context, tx *sql.Tx) error {
		return appendSamples(ctx, tx, rows)
	})
}

func appendSamples(ctx context.Context, tx *sql.Tx, rows []fleet.SampleRow) (err error) {
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO samples (run, seq, host, taken_at, received_at, payload) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (run, seq) DO NOTHING`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	var host, run int64
	for i := range rows {
		row := &rows[i]
		// Rows come by the run, so that the numbers are looked up once.
		if i == 0 || row.HostID != rows[i-1].HostID || row.RunID != rows[i-1].RunID {
			if host, run, err = numberRun(ctx, tx, row.HostID, row.RunID); err != nil {
				return err
			}
		}
		payload := row.Payload
		if payload == nil {
			payload = []byte{} // no bytes are not an unknown value
		}
		if _, err := insert.ExecContext(ctx, run, int64(row.Seq), host, column(row.TakenAt), column(row.ReceivedAt), payload); err != nil {
			return err
		}
	}
	return nil
}

// numberRun returns the numbers that stand for a host and its run, and gives
// them numbers when they are new.
func numberRun(ctx context.Context, tx *sql.Tx, hostID, runID string) (host, run int64, err error) {
	host, err = numberOf(ctx, tx,
		`SELECT id FROM hosts WHERE host_id = $1`,
		`INSERT INTO hosts (host_id) VALUES ($1) RETURNING id`, hostID)
	if err != nil {
		return 0, 0, err
	}
	run, err = numberOf(ctx, tx,
		`SELECT id FROM runs WHERE host = $1 AND run_id = $2`,
		`INSERT INTO runs (host, run_id) VALUES ($1, $2) RETURNING id`, host, runID)
	return host, run, err
}

func numberOf(ctx context.Context, tx *sql.Tx, find, insert string, args ...any) (number int64, err error) {
	err = tx.QueryRowContext(ctx, find, args...).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, insert, args...).Scan(&number)
	}
	return number, err
}

// LastSeq implements [fleet.SampleStore].
func (m *Metrics) LastSeq(ctx context.Context, hostID, runID string) (seq uint64, err error) {
	err = m.read(ctx, "read last sequence number", func(ctx context.Context, pool *sql.DB) error {
		var last sql.NullInt64
		err := pool.QueryRowContext(ctx,
			`SELECT MAX(seq) FROM samples WHERE run =
			(SELECT runs.id FROM runs JOIN hosts ON hosts.id = runs.host WHERE hosts.host_id = $1 AND runs.run_id = $2)`,
			hostID, runID).Scan(&last)
		seq = uint64(last.Int64)
		return err
	})
	return seq, err
}
