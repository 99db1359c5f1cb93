package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// LoadSettings implements [fleet.SettingsStore].
func (s *State) LoadSettings(ctx context.Context) (saved []byte, err error) {
	err = s.read(ctx, "load settings", func(ctx context.Context, pool *sql.DB) error {
		err := pool.QueryRowContext(ctx, "SELECT json FROM settings WHERE id = 1").Scan(&saved)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return saved, err
}

// SaveSettings implements [fleet.SettingsStore].
func (s *State) SaveSettings(ctx context.Context, json []byte) error {
	return s.write(ctx, "save settings", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO settings (id, json) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET json = excluded.json`, json)
		return err
	})
}
