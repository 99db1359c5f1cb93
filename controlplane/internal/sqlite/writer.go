package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxGroup bounds how many operations share a transaction, so that the first
// to wait is not kept by all who came after it.
const maxGroup = 256

// operation is what one caller does within a transaction.
type operation func(context.Context, *sql.Tx) error

// waiting is an operation in the queue.
type waiting struct {
	do   operation
	done chan error // of one place; gets the outcome once
}

// writer commits operations in groups. While one group is flushed to the disk,
// the next gathers. It has no goroutine: of those who wait one has the turn,
// and commits for all.
type writer struct {
	pool    *sql.DB       // of one connection
	turn    chan struct{} // of one place; holding the place is having the turn
	commits atomic.Uint64

	mu     sync.Mutex // guards what follows
	queue  []*waiting
	closed bool
}

func newWriter(pool *sql.DB) *writer {
	return &writer{pool: pool, turn: make(chan struct{}, 1)}
}

// write returns when do is committed or has failed. See [database.write].
func (w *writer) write(ctx context.Context, do operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	own := &waiting{do: do, done: make(chan error, 1)}
	if err := w.enqueue(own); err != nil {
		return err
	}
	for {
		select {
		case err := <-own.done:
			return err
		case <-ctx.Done():
			if w.withdraw(own) {
				return ctx.Err()
			}
			return <-own.done
		case w.turn <- struct{}{}:
			w.takeTurn(ctx, own)
		}
	}
}

// takeTurn commits a group, unless another has committed own meanwhile: then
// the turn goes to one who still waits.
func (w *writer) takeTurn(ctx context.Context, own *waiting) {
	defer func() { <-w.turn }()
	if len(own.done) == 0 {
		w.commitGroup(ctx)
	}
}

func (w *writer) enqueue(op *waiting) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fault.New(fault.Unavailable, "the store is closed")
	}
	w.queue = append(w.queue, op)
	return nil
}

// withdraw takes an operation back and reports whether it was still there to take.
func (w *writer) withdraw(op *waiting) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, queued := range w.queue {
		if queued == op {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

func (w *writer) takeGroup() []*waiting {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), maxGroup)
	ops := make([]*waiting, n)
	copy(ops, w.queue)
	rest := copy(w.queue, w.queue[n:])
	clear(w.queue[rest:])
	w.queue = w.queue[:rest]
	return ops
}

// commitGroup must be called with the turn.
func (w *writer) commitGroup(ctx context.Context) {
	ops := w.takeGroup()
	if len(ops) == 0 {
		return
	}
	outcomes := make([]error, len(ops))
	err := errors.New("an operation of the same transaction panicked")
	defer func() { // even when an operation panics, nobody waits for ever
		for i, op := range ops {
			if err != nil {
				outcomes[i] = err // what an operation saw of the others is undone as well
			}
			op.done <- outcomes[i]
		}
	}()
	// The group is not its leader's alone, so the leader's leaving doesn't end it.
	err = w.commit(context.WithoutCancel(ctx), ops, outcomes)
}

// commit runs the operations in one transaction. An operation that fails is
// undone alone and its error stands in outcomes; an error that is returned has
// undone them all.
func (w *writer) commit(ctx context.Context, ops []*waiting, outcomes []error) error {
	tx, err := w.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	for i, op := range ops {
		if outcomes[i], err = attempt(ctx, tx, op.do); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	w.commits.Add(1)
	return nil
}

// attempt runs one operation within a savepoint. The first error is the
// operation's, the second one that has ended the whole transaction.
func attempt(ctx context.Context, tx *sql.Tx, do operation) (own, whole error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT operation"); err != nil {
		return nil, err
	}
	own = do(ctx, tx)
	if own != nil {
		// A full disk, for one, makes SQLite roll back everything by itself;
		// then there is no savepoint left, and its cause is everybody's.
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT operation"); err != nil {
			return own, own
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT operation")
	return own, err
}

// close refuses further operations and commits those that wait.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	for w.pending() {
		w.commitGroup(context.Background())
	}
}

func (w *writer) pending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue) > 0
}
