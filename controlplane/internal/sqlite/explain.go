package sqlite

import (
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/corral-fleet/corral/sdk/fault"
)

// primaryCode keeps the part of an extended result code that says what it is.
const primaryCode = 0xff

// explain gives an error of SQLite a kind and a sentence. What has one already
// is returned as it is.
func (d *database) explain(attempt string, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	err = fmt.Errorf("%s: %w", attempt, err)
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & primaryCode {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.Wrap(fault.Unavailable, err, "%s is held by another program", d.name)
	case sqlite3.SQLITE_CONSTRAINT:
		return fault.Wrap(fault.Conflict, err, "the same is stored already")
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(fault.NoSpace, err, "the disk of the data directory is full")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(fault.Corrupt, err, "%s is damaged; restore it from a backup", d.path)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR:
		return fault.Wrap(fault.Unavailable, err, "%s can't be read or written", d.path)
	}
	return err
}
