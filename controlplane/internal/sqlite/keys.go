package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// CreateKey implements [fleet.KeyStore].
func (s *State) CreateKey(ctx context.Context, k fleet.Key) error {
	return s.write(ctx, "create key", func(ctx context.Context, tx *sql.Tx) error {
		taken, err := exists(ctx, tx, "SELECT 1 FROM api_keys WHERE name = $1 AND revoked_at IS NULL", k.Name)
		if err != nil {
			return err
		}
		if taken && k.RevokedAt.IsZero() {
			return fault.New(fault.Conflict, "a key named %q exists already", k.Name)
		}
		_, err = tx.ExecContext(ctx,
			`INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			k.ID, k.Name, string(k.Role), k.Priority, k.Hint, k.Hash, column(k.CreatedAt), optionalColumn(k.RevokedAt))
		return err
	})
}

// Keys implements [fleet.KeyStore].
func (s *State) Keys(ctx context.Context) (keys []fleet.Key, err error) {
	err = s.read(ctx, "list keys", func(ctx context.Context, pool *sql.DB) error {
		keys, err = collect(ctx, pool, scanKey,
			`SELECT `+keyColumns+` FROM api_keys ORDER BY created_at, id`)
		return err
	})
	return keys, err
}

// RevokeKey implements [fleet.KeyStore].
func (s *State) RevokeKey(ctx context.Context, id string, at time.Time) error {
	return s.write(ctx, "revoke key", func(ctx context.Context, tx *sql.Tx) error {
		known, err := changed(ctx, tx, `UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2`, column(at), id)
		if err == nil && !known {
			return fault.New(fault.NotFound, "no key has the id %q", id)
		}
		return err
	})
}

// SetKeyPriority implements [fleet.KeyStore].
func (s *State) SetKeyPriority(ctx context.Context, id string, priority int) (key fleet.Key, err error) {
	err = s.write(ctx, "set key priority", func(ctx context.Context, tx *sql.Tx) error {
		key, err = scanKey(tx.QueryRowContext(ctx,
			`UPDATE api_keys SET priority = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING `+keyColumns, priority, id))
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "no key that is good has the id %q", id)
		}
		return err
	})
	return key, err
}

// keyColumns are what scanKey reads.
const keyColumns = "id, name, role, priority, hint, hash, created_at, revoked_at"

func scanKey(row scanner) (fleet.Key, error) {
	var (
		k       fleet.Key
		created int64
		revoked sql.NullInt64
	)
	err := row.Scan(&k.ID, &k.Name, &k.Role, &k.Priority, &k.Hint, &k.Hash, &created, &revoked)
	k.CreatedAt, k.RevokedAt = timeOf(created), optionalTime(revoked)
	return k, err
}
