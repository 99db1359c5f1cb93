package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// watcher notices that somebody committed to the file.
type watcher struct {
	pool *sql.DB // of one connection

	mu      sync.Mutex // guards what follows, and keeps calls apart
	conn    *sql.Conn  // nil before the first call and after a failed one
	seen    int64      // what conn said last
	changes int64
}

func newWatcher(pool *sql.DB) *watcher { return &watcher{pool: pool} }

// version returns how many times a call found that something was committed.
// SQLite's own number counts for one connection, so the same one is asked each
// time; a new one counts as a change, since nobody knows.
func (w *watcher) version(ctx context.Context) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := w.conn == nil
	if fresh {
		conn, err := w.pool.Conn(ctx)
		if err != nil {
			return 0, err
		}
		w.conn = conn
	}
	var now int64
	if err := w.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&now); err != nil {
		return 0, errors.Join(err, w.drop())
	}
	if fresh || now != w.seen {
		w.changes++
	}
	w.seen = now
	return w.changes, nil
}

// drop lets go of the connection. The caller holds mu.
func (w *watcher) drop() error {
	if w.conn == nil {
		return nil
	}
	err := w.conn.Close()
	w.conn = nil
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

func (w *watcher) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.drop(), w.pool.Close())
}
