package sqlite

import (
	"context"
	"database/sql"
)

// Counters implements [fleet.CounterStore].
func (s *State) Counters(ctx context.Context) (counters map[string]int64, err error) {
	counters = map[string]int64{}
	err = s.read(ctx, "read counters", func(ctx context.Context, pool *sql.DB) error {
		_, err := collect(ctx, pool, func(row scanner) (struct{}, error) {
			var (
				name  string
				value int64
			)
			err := row.Scan(&name, &value)
			counters[name] = value
			return struct{}{}, err
		}, "SELECT name, value FROM counters")
		return err
	})
	if err != nil {
		return nil, err
	}
	return counters, nil
}

// AddToCounters implements [fleet.CounterStore].
func (s *State) AddToCounters(ctx context.Context, deltas map[string]int64) error {
	if len(deltas) == 0 {
		return nil
	}
	return s.write(ctx, "add to counters", func(ctx context.Context, tx *sql.Tx) error {
		for name, delta := range deltas {
			if _, err := tx.ExecContext(ctx,
				`INSERT INTO counters (name, value) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value`, name, delta); err != nil {
				return err
			}
		}
		return nil
	})
}
