package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"

	"github.com/corral-fleet/corral/sdk/fault"
)

// migrate brings the schema of the file to this build's, one transaction for
// each step. A file that is ahead of this build is left as it is.
func migrate(ctx context.Context, name string, pool *sql.DB, migrations fs.FS) error {
	matches, err := fs.Glob(migrations, "migrations/*/*.sql")
	if err != nil || len(matches) == 0 {
		return fmt.Errorf("no migrations for %s: %w", name, fs.ErrNotExist)
	}
	steps, err := fs.Sub(migrations, path.Dir(matches[0]))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > newest {
		return fault.New(fault.Conflict,
			"%s was written by a newer version of this program (schema %d, this one knows %d); start that version, or restore a backup made before the upgrade",
			name, current, newest)
	}
	_, err = provider.Up(ctx)
	return err
}
