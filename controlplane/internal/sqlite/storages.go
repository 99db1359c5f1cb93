package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const storageColumns = "name, plugin, config, secrets, schema_version, hosts_read, created_at, changed_at"

// CreateStorage implements [fleet.StorageStore].
func (s *State) CreateStorage(ctx context.Context, st fleet.Storage) error {
	secrets, err := encodeLabels(st.Secrets)
	if err != nil {
		return err
	}
	return s.write(ctx, "create storage", func(ctx context.Context, tx *sql.Tx) error {
		created, err := changed(ctx, tx,
			`INSERT INTO storages (`+storageColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING`,
			st.Name, st.Plugin, string(st.Config), secrets, st.Schema, st.HostsRead, column(st.CreatedAt), column(st.ChangedAt))
		if err == nil && !created {
			return fault.New(fault.Conflict, "a storage named %q exists already", st.Name)
		}
		return err
	})
}

// Storages implements [fleet.StorageStore].
func (s *State) Storages(ctx context.Context) (list []fleet.Storage, err error) {
	err = s.read(ctx, "list storages", func(ctx context.Context, pool *sql.DB) error {
		list, err = collect(ctx, pool, scanStorage, `SELECT `+storageColumns+` FROM storages ORDER BY name`)
		return err
	})
	return list, err
}

// SaveStorage implements [fleet.StorageStore].
func (s *State) SaveStorage(ctx context.Context, st fleet.Storage) error {
	secrets, err := encodeLabels(st.Secrets)
	if err != nil {
		return err
	}
	return s.changeStorage(ctx, "save storage", st.Name,
		`UPDATE storages SET plugin = $1, config = $2, secrets = $3, schema_version = $4, hosts_read = $5, changed_at = $6 WHERE name = $7`,
		st.Plugin, string(st.Config), secrets, st.Schema, st.HostsRead, column(st.ChangedAt), st.Name)
}

// RemoveStorage implements [fleet.StorageStore]. What its row held is overwritten
// in the file, since secrets were in it.
func (s *State) RemoveStorage(ctx context.Context, name string) error {
	return s.changeStorage(ctx, "remove storage", name, `DELETE FROM storages WHERE name = $1`, name)
}

// changeStorage changes the row of a storage, and overwrites what it held before.
func (s *State) changeStorage(ctx context.Context, attempt, name, statement string, args ...any) error {
	return s.write(ctx, attempt, func(ctx context.Context, tx *sql.Tx) (err error) {
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		defer func() {
			_, off := tx.ExecContext(ctx, `PRAGMA secure_delete = OFF`)
			err = errors.Join(err, off)
		}()
		known, err := changed(ctx, tx, statement, args...)
		if err == nil && !known {
			return fault.New(fault.NotFound, "there is no storage named %q", name).On(fault.Caller)
		}
		return err
	})
}

func scanStorage(row scanner) (fleet.Storage, error) {
	var (
		s                fleet.Storage
		config, secrets  string
		created, changed int64
	)
	if err := row.Scan(&s.Name, &s.Plugin, &config, &secrets, &s.Schema, &s.HostsRead, &created, &changed); err != nil {
		return s, err
	}
	s.Config, s.CreatedAt, s.ChangedAt = []byte(config), timeOf(created), timeOf(changed)
	var err error
	s.Secrets, err = decodeLabels(secrets)
	return s, err
}
