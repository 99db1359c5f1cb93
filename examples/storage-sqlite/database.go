package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// schema: an object is a key and a content, whose bytes are pieces. A content without
// an object is of an upload that goes on, or that was cut off.
const schema = `
CREATE TABLE IF NOT EXISTS objects (
	key BLOB PRIMARY KEY, content INTEGER NOT NULL UNIQUE, size INTEGER NOT NULL, modified_ms INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (id INTEGER PRIMARY KEY AUTOINCREMENT, touched_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pieces (content INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (content, number));
`

// pieceBytes is how much of an object is one row.
const pieceBytes = 256 << 10

// database keeps objects in a file. Its writers take turns, since SQLite has one at a
// time; its readers each see the file as it was when they began.
type database struct {
	write, read *sql.DB
}

var (
	_ storage.Backend = (*database)(nil)
	_ storage.Creator = (*database)(nil)
	_ storage.Pager   = (*database)(nil)
	_ storage.Sweeper = (*database)(nil)
)

func openDatabase(ctx context.Context, file string) (*database, error) {
	source := "file:" + (&url.URL{Path: file}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	write, err := sql.Open("sqlite", source+"&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	d := &database{write: write, read: read}
	if _, err := write.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(explained(ctx, err), d.Close())
	}
	return d, nil
}

// Close implements io.Closer.
func (d *database) Close() error { return errors.Join(d.read.Close(), d.write.Close()) }

// explained gives an error of SQLite a kind and a side. A context that has ended is
// why a statement was interrupted.
func explained(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(fault.NoSpace, err, "there is no space left for the database").On(fault.Service)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(fault.Corrupt, err, "the database is broken, or none").On(fault.Service)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return fault.Wrap(fault.Forbidden, err, "the database may not be written").On(fault.Service)
	}
	return fault.Wrap(fault.Unavailable, err, "the database can't be used").On(fault.Service)
}

// within runs a transaction of writes.
func (d *database) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return explained(ctx, err)
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // it fails where the context has ended, which did that
		return explained(ctx, err)
	}
	return explained(ctx, tx.Commit())
}
