package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Inspection is what was found in a data directory.
type Inspection struct {
	Files []File
	Hosts []HostRecord
	Saved []byte // settings, as [State.LoadSettings] returns them
}

// File is what was found of one of the files.
type File struct {
	Name           string
	Missing        bool
	Mode           fs.FileMode
	Bytes          int64
	JournalBytes   int64
	Whole          bool  // it was checked to its end, not for as long as there was time
	Schema, Newest int64 // the file's, and the one of this build
	Err            error // why it can't be read; fault.Corrupt where it is damaged
}

// HostRecord is a host with what the files know of its connections.
type HostRecord struct {
	fleet.Host
	Sessions int64     // since it joined
	HeardAt  time.Time // of its last sample or session, whichever was later; zero is never
}

// Inspect looks at the files in dir, which a server may be using. It makes and
// changes none of them; what can't be read is missing from the inspection.
func Inspect(ctx context.Context, dir string) Inspection {
	var in Inspection
	heard := map[string]time.Time{}
	in.Files = []File{
		inspect(ctx, dir, "state.db", stateMigrations, in.readState),
		inspect(ctx, dir, "metrics.db", metricsMigrations, func(ctx context.Context, pool *sql.DB) error {
			return readHeard(ctx, pool, heard)
		}),
		inspect(ctx, dir, "usage.db", usageMigrations, func(context.Context, *sql.DB) error { return nil }),
	}
	for i := range in.Hosts {
		h := &in.Hosts[i]
		if h.HeardAt = h.SeenAt; heard[h.ID].After(h.HeardAt) {
			h.HeardAt = heard[h.ID]
		}
	}
	return in
}

// inspect looks at one file, and has its content read where its schema is ours.
func inspect(ctx context.Context, dir, name string, migrations fs.FS, read func(context.Context, *sql.DB) error) File {
	f := File{Name: name, Newest: newestOf(migrations)}
	d := &database{name: name, path: filepath.Join(dir, name)}
	info, err := os.Stat(d.path)
	if err != nil {
		f.Missing, f.Err = errors.Is(err, fs.ErrNotExist), err
		return f
	}
	f.Mode, f.Bytes, f.JournalBytes = info.Mode(), info.Size(), d.journalBytes()
	f.Err = d.explain("look at "+name, d.guarded(ctx, func() (err error) {
		pool := connect(d.path, reading(busyTimeout), 1)
		defer func() { err = errors.Join(err, pool.Close()) }()
		return f.look(ctx, d, pool, read)
	}))
	return f
}

// guarded keeps others from opening and closing the file meanwhile. A lock that is
// missing is not made: it would belong to whoever looks, and not to the server.
func (d *database) guarded(ctx context.Context, do func() error) error {
	if _, err := os.Stat(d.lockPath()); err == nil {
		ctx, cancel := context.WithTimeout(ctx, busyTimeout)
		defer cancel()
		unlock, err := lock(ctx, d.lockPath())
		if err != nil {
			return err
		}
		defer unlock()
	}
	return do()
}

func (f *File) look(ctx context.Context, d *database, pool *sql.DB, read func(context.Context, *sql.DB) error) (err error) {
	if f.Whole, err = d.check(ctx, pool); err != nil {
		return err
	}
	if err := pool.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version").Scan(&f.Schema); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if f.Schema != f.Newest {
		return nil // the next start changes it, or refuses it
	}
	return read(ctx, pool)
}

// newestOf returns the number of the last migration.
func newestOf(migrations fs.FS) (newest int64) {
	files, err := fs.Glob(migrations, "migrations/*/*.sql")
	if err != nil {
		return 0 // the pattern is good
	}
	for _, file := range files {
		number, _, _ := strings.Cut(path.Base(file), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}

func (in *Inspection) readState(ctx context.Context, pool *sql.DB) error {
	hosts, err := collect(ctx, pool, scanHost, `SELECT `+hostColumns+` FROM hosts ORDER BY name`)
	if err != nil {
		return err
	}
	counts, err := collect(ctx, pool, scanNumber, `SELECT id, session_epoch FROM hosts`)
	if err != nil {
		return err
	}
	sessions := map[string]int64{}
	for _, c := range counts {
		sessions[c.id] = c.number.Int64
	}
	for _, h := range hosts {
		in.Hosts = append(in.Hosts, HostRecord{Host: h, Sessions: sessions[h.ID]})
	}
	err = pool.QueryRowContext(ctx, "SELECT json FROM settings WHERE id = 1").Scan(&in.Saved)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// readHeard reads when a sample of each host was received last.
func readHeard(ctx context.Context, pool *sql.DB, heard map[string]time.Time) error {
	last, err := collect(ctx, pool, scanNumber,
		`SELECT host_id, (SELECT MAX(taken_at) FROM samples WHERE host = hosts.id) FROM hosts`)
	for _, l := range last {
		heard[l.id] = optionalTime(l.number)
	}
	return err
}

// hostNumber is a number that belongs to a host.
type hostNumber struct {
	id     string
	number sql.NullInt64
}

func scanNumber(row scanner) (n hostNumber, err error) { return n, row.Scan(&n.id, &n.number) }
