package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"sync"
)

// maxNumbers is how many runs the numbers are remembered of.
const maxNumbers = 1 << 15

// run is one run of a host's agent, and number what stands for both in the file.
type (
	run    struct{ hostID, runID string }
	number struct{ host, run int64 }
)

// numbers remembers those that are committed: each sample needs them, and looking
// them up cost more than storing it. Its methods may be called concurrently.
type numbers struct {
	mu      sync.Mutex
	known   map[run]number
	deletes int
}

// foundNumbers are the numbers that one transaction has looked up or given. They
// count when it is committed, unless some were deleted meanwhile.
type foundNumbers struct {
	all     *numbers
	deletes int
	found   map[run]number
}

func (n *numbers) begin() *foundNumbers {
	n.mu.Lock()
	defer n.mu.Unlock()
	return &foundNumbers{all: n, deletes: n.deletes, found: map[run]number{}}
}

func (n *numbers) commit(f *foundNumbers) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f.deletes != n.deletes {
		return
	}
	if len(n.known)+len(f.found) > maxNumbers {
		clear(n.known)
	}
	maps.Copy(n.known, f.found)
}

// forget is called in a transaction that deletes runs.
func (n *numbers) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deletes++
	clear(n.known)
}

func (n *numbers) lookUp(r run) (number, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.known[r]
	return known, ok
}

// of returns the numbers of a run, and gives it some when it is new.
func (f *foundNumbers) of(ctx context.Context, tx *sql.Tx, r run) (number, error) {
	if known, ok := f.all.lookUp(r); ok {
		return known, nil
	}
	if found, ok := f.found[r]; ok {
		return found, nil
	}
	host, err := numberOf(ctx, tx,
		`SELECT id FROM hosts WHERE host_id = $1`,
		`INSERT INTO hosts (host_id) VALUES ($1) RETURNING id`, r.hostID)
	if err != nil {
		return number{}, err
	}
	id, err := numberOf(ctx, tx,
		`SELECT id FROM runs WHERE host = $1 AND run_id = $2`,
		`INSERT INTO runs (host, run_id) VALUES ($1, $2) RETURNING id`, host, r.runID)
	if err != nil {
		return number{}, err
	}
	f.found[r] = number{host, id}
	return f.found[r], nil
}

func numberOf(ctx context.Context, tx *sql.Tx, find, insert string, args ...any) (number int64, err error) {
	err = tx.QueryRowContext(ctx, find, args...).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, insert, args...).Scan(&number)
	}
	return number, err
}
