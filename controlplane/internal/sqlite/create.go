package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/fault"
)

// ensureFile makes the file where it is missing. A new one is made under
// another name and moved into its place whole, so that a file that is there is
// a complete one, and an empty one is damage and not a start that was cut short.
func (d *database) ensureFile(ctx context.Context, migrations fs.FS) error {
	switch info, err := os.Stat(d.path); {
	case errors.Is(err, fs.ErrNotExist):
		return d.create(ctx, migrations)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fault.New(fault.Invalid, "%s is not a file", d.path)
	case info.Size() == 0:
		return fault.New(fault.Corrupt, "%s is empty; restore it from a backup", d.path)
	case info.Mode().Perm()&0o077 != 0:
		return os.Chmod(d.path, 0o600)
	}
	return nil
}

func (d *database) create(ctx context.Context, migrations fs.FS) error {
	// SQLite would replay a journal that was left behind into the new file.
	if _, err := os.Stat(d.path + "-wal"); err == nil {
		return fault.New(fault.Corrupt, "%s is missing but its journal %s-wal is there; restore both from a backup", d.path, d.name)
	}
	partial := d.path + ".new"
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(partial + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// SQLite gives its journals the permissions of the file.
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fill(ctx, d.name, partial, migrations); err != nil {
		return err
	}
	if err := syncPath(partial); err != nil {
		return err
	}
	if err := os.Rename(partial, d.path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(d.path))
}

// fill turns an empty file into a database of the newest schema.
func fill(ctx context.Context, name, path string, migrations fs.FS) (err error) {
	pool := connect(path, writing(busyTimeout), 1)
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := useWAL(ctx, pool, path); err != nil {
		return err
	}
	return migrate(ctx, name, pool, migrations)
}

// useWAL turns on the write-ahead journal, which stays on in the file. A file
// that was restored from a backup may have it off.
func useWAL(ctx context.Context, pool *sql.DB, path string) error {
	var mode string
	if err := pool.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fault.New(fault.Unavailable, "the file system of %s has no shared memory maps, which SQLite needs", filepath.Dir(path))
	}
	return nil
}

// syncPath makes a file or the entries of a directory survive a power cut.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, errors.Join(err, f.Close()))
	}
	return f.Close()
}
