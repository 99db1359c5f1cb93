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
	var found *foundNumbers
	err := m.write(ctx, "append samples", func(ctx context.Context, tx *sql.Tx) error {
		found = m.numbers.begin()
		return appendSamples(ctx, tx, found, rows)
	})
	if err == nil {
		m.numbers.commit(found)
	}
	return err
}

func appendSamples(ctx context.Context, tx *sql.Tx, numbers *foundNumbers, rows []fleet.SampleRow) (err error) {
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO samples (run, seq, host, taken_at, received_at, payload) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (run, seq) DO NOTHING`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for i := range rows {
		row := &rows[i]
		number, err := numbers.of(ctx, tx, run{row.HostID, row.RunID})
		if err != nil {
			return err
		}
		payload := row.Payload
		if payload == nil {
			payload = []byte{} // no bytes are not an unknown value
		}
		if _, err := insert.ExecContext(ctx, number.run, int64(row.Seq), number.host, column(row.TakenAt), column(row.ReceivedAt), payload); err != nil {
			return err
		}
	}
	return nil
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
