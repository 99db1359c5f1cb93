package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// busyTimeout is how long a write waits for another process's transaction.
	busyTimeout = 10 * time.Second
	// readTimeout ends a query that takes too long. A reader that stays keeps
	// the journal from being emptied.
	readTimeout = 5 * time.Second
	maxReaders  = 4
)

// database is one open SQLite file.
type database struct {
	name    string
	path    string
	logger  hclog.Logger
	writer  *writer
	readers *sql.DB
	watcher *watcher
	closed  atomic.Bool
}

// open makes the file ready and opens it. Two processes that open the same file
// at once do so one after the other: the switch to WAL, the migrations and the
// end of the journal aren't safe against each other.
func open(ctx context.Context, dir, name string, migrations fs.FS, logger hclog.Logger) (*database, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	d := &database{name: name, path: filepath.Join(dir, name), logger: logger.With("file", name)}
	unlock, err := lock(ctx, d.lockPath())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer unlock()

	if err := d.ensureFile(ctx, migrations); err != nil {
		return nil, d.explain("create "+name, err)
	}
	d.writer = newWriter(connect(d.path, writing(busyTimeout), 1))
	d.readers = connect(d.path, reading(busyTimeout), maxReaders)
	d.watcher = newWatcher(connect(d.path, reading(busyTimeout), 1))
	if err := d.prepare(ctx, migrations); err != nil {
		return nil, errors.Join(d.explain("open "+name, err), d.closePools())
	}
	return d, nil
}

// prepare checks the file before it changes anything in it.
func (d *database) prepare(ctx context.Context, migrations fs.FS) error {
	whole, err := d.check(ctx, d.writer.pool)
	if err != nil {
		return err
	}
	if !whole {
		d.logger.Info("file is too large to be checked whole at start", "checked_for", checkTimeout)
	}
	if err := useWAL(ctx, d.writer.pool, d.path); err != nil {
		return err
	}
	return migrate(ctx, d.name, d.writer.pool, migrations)
}

// Close commits what waits to be written and closes the file. Calls that come
// later are fault.Unavailable.
func (d *database) Close() error {
	d.closed.Store(true)
	d.writer.close()
	// The last connection empties the journal and removes it, which another
	// process that opens the file just then would take for a fault.
	unlock, err := lock(context.Background(), d.lockPath())
	if err != nil {
		return errors.Join(err, d.closePools())
	}
	defer unlock()
	return d.closePools()
}

func (d *database) closePools() error {
	return errors.Join(d.watcher.close(), d.readers.Close(), d.writer.pool.Close())
}

func (d *database) lockPath() string { return d.path + ".lock" }

// write runs do in a transaction and returns when it is on the disk. The
// transaction is shared with others; an error of do undoes what do did and
// nothing else. A ctx that ends keeps do from starting; once started it is
// finished, so that the answer is never uncertain.
func (d *database) write(ctx context.Context, attempt string, do operation) error {
	if d.closed.Load() {
		return errClosed(d.name)
	}
	return d.explain(attempt, d.writer.write(ctx, do))
}

// read runs do on the pool of readers with a deadline.
func (d *database) read(ctx context.Context, attempt string, do func(context.Context, *sql.DB) error) error {
	if d.closed.Load() {
		return errClosed(d.name)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return d.explain(attempt, do(ctx, d.readers))
}

// DataVersion returns a number that is another one when anybody, in this
// process or another, has committed to the file since the call before. It means
// nothing beyond that, nor to another DB.
func (d *database) DataVersion(ctx context.Context) (int64, error) {
	if d.closed.Load() {
		return 0, errClosed(d.name)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	version, err := d.watcher.version(ctx)
	return version, d.explain("read data version", err)
}

func errClosed(name string) error { return fault.New(fault.Unavailable, "%s is closed", name) }
