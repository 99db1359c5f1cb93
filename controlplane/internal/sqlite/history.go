package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// historyPage is how many samples are read at once. Between two pages
	// nothing is held in the file, however long the caller takes.
	historyPage = 512
	// retentionBatch is how many samples are deleted in one transaction, so
	// that those who append don't wait for the whole.
	retentionBatch = 1000
)

// position is where a page of samples ended.
type position struct{ takenAt, run, seq int64 }

// Samples implements [fleet.SampleStore]. Rows that are appended meanwhile may
// be seen or not.
func (m *Metrics) Samples(ctx context.Context, hostID string, from, to time.Time, fn func(fleet.SampleRow) error) error {
	after := position{takenAt: column(from)} // before every row of that time: runs are numbered from 1
	page := make([]fleet.SampleRow, 0, historyPage)
	for {
		var err error
		if page, after, err = m.samplePage(ctx, page[:0], hostID, after, column(to)); err != nil {
			return err
		}
		for i := range page {
			if err := fn(page[i]); err != nil {
				return err
			}
		}
		if len(page) < historyPage {
			return nil
		}
	}
}

// samplePage reads the next rows into dst and returns it with their end.
func (m *Metrics) samplePage(ctx context.Context, dst []fleet.SampleRow, hostID string, after position, to int64) (_ []fleet.SampleRow, _ position, err error) {
	err = m.read(ctx, "read samples", func(ctx context.Context, pool *sql.DB) error {
		rows, err := pool.QueryContext(ctx,
			`SELECT runs.run_id, s.run, s.seq, s.taken_at, s.received_at, s.payload
			FROM samples s JOIN runs ON runs.id = s.run
			WHERE s.host = (SELECT id FROM hosts WHERE host_id = $1) AND (s.taken_at, s.run, s.seq) > ($2, $3, $4) AND s.taken_at < $5
			ORDER BY s.taken_at, s.run, s.seq LIMIT $6`,
			hostID, after.takenAt, after.run, after.seq, to, historyPage)
		if err != nil {
			return err
		}
		defer rows.Close() // Err has what matters
		for rows.Next() {
			row := fleet.SampleRow{HostID: hostID}
			var received int64
			if err := rows.Scan(&row.RunID, &after.run, &after.seq, &after.takenAt, &received, &row.Payload); err != nil {
				return err
			}
			row.Seq, row.TakenAt, row.ReceivedAt = uint64(after.seq), timeOf(after.takenAt), timeOf(received)
			dst = append(dst, row)
		}
		return rows.Err()
	})
	return dst, after, err
}

// DeleteSamplesBefore implements [fleet.SampleStore]. It works in small
// transactions, so one that is cut short has forgotten a part.
func (m *Metrics) DeleteSamplesBefore(ctx context.Context, t time.Time) error {
	var hosts []int64
	err := m.read(ctx, "list hosts with samples", func(ctx context.Context, pool *sql.DB) (err error) {
		hosts, err = collect(ctx, pool, func(row scanner) (host int64, err error) {
			err = row.Scan(&host)
			return host, err
		}, "SELECT id FROM hosts")
		return err
	})
	if err != nil {
		return err
	}
	for _, host := range hosts {
		for more := true; more; {
			if more, err = m.deleteBatch(ctx, host, t); err != nil {
				return err
			}
		}
	}
	return m.write(ctx, "delete empty runs", func(ctx context.Context, tx *sql.Tx) error {
		m.numbers.forget()
		_, err := tx.ExecContext(ctx, `DELETE FROM runs WHERE NOT EXISTS (SELECT 1 FROM samples WHERE samples.run = runs.id)`)
		return err
	})
}

// deleteBatch deletes the oldest samples of a host and reports whether there may be more.
func (m *Metrics) deleteBatch(ctx context.Context, host int64, t time.Time) (more bool, err error) {
	err = m.write(ctx, "delete samples", func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx,
			`DELETE FROM samples WHERE (run, seq) IN
			(SELECT run, seq FROM samples WHERE host = $1 AND taken_at < $2 ORDER BY taken_at LIMIT $3)`,
			host, column(t), retentionBatch)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		more = n == retentionBatch
		return err
	})
	return more && err == nil, err
}
