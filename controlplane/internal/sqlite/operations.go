package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// SaveOperations implements [fleet.OperationStore].
func (s *State) SaveOperations(ctx context.Context, operations ...fleet.Operation) error {
	return s.write(ctx, "save operation", func(ctx context.Context, tx *sql.Tx) error {
		for i := range operations {
			if err := saveOperation(ctx, tx, &operations[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func saveOperation(ctx context.Context, tx *sql.Tx, o *fleet.Operation) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO operations (id, created_at, ended_at, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET ended_at = $3, body = $4`,
		o.ID, column(o.CreatedAt), optionalColumn(o.EndedAt), string(body))
	return err
}

// Operations implements [fleet.OperationStore].
func (s *State) Operations(ctx context.Context, limit int) (list []fleet.Operation, err error) {
	err = s.read(ctx, "list operations", func(ctx context.Context, pool *sql.DB) error {
		list, err = collect(ctx, pool, func(row scanner) (o fleet.Operation, err error) {
			var body string
			if err := row.Scan(&body); err != nil {
				return o, err
			}
			return o, json.Unmarshal([]byte(body), &o)
		}, `SELECT body FROM operations
			WHERE ended_at IS NULL OR id IN (SELECT id FROM operations ORDER BY created_at DESC, id DESC LIMIT $1)
			ORDER BY created_at DESC, id DESC`, limit)
		return err
	})
	return list, err
}

// PruneOperations implements [fleet.OperationStore].
func (s *State) PruneOperations(ctx context.Context, before time.Time) error {
	return s.write(ctx, "prune operations", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM operations WHERE ended_at < $1`, column(before))
		return err
	})
}
