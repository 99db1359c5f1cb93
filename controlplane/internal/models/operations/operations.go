// Package operations has a record of each job that takes a while: how far it is, how
// fast, what became of it. Records outlive restarts; jobs are for whoever began them to
// go on with.
package operations

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	// kept is how many of the latest operations are known.
	kept = 1000
	// retention is how long an operation that has ended is known.
	retention = 30 * 24 * time.Hour
	// saveEvery is how often progress is stored. What is lost of it by a kill is seen
	// again soon.
	saveEvery = 5 * time.Second
)

// Operations are the records. Its methods may be called concurrently.
type Operations struct {
	store fleet.OperationStore
	now   func() time.Time
	log   hclog.Logger

	mu      sync.Mutex
	byID    map[string]*record
	changed chan struct{} // closed and replaced at each change
	version uint64        // counts the changes
}

// record is an operation with who does it.
type record struct {
	fleet.Operation

	version uint64 // of the last change
	savedAt time.Time
	rate    rate
	cancel  context.CancelCauseFunc     // nil where nobody is at it
	retry   func(context.Context) error // nil where it can't be tried again now
}

// New returns no operations; see [Operations.Load].
func New(store fleet.OperationStore, now func() time.Time, log hclog.Logger) *Operations {
	return &Operations{store: store, now: now, log: log, byID: map[string]*record{}, changed: make(chan struct{})}
}

// Load reads what was stored. What was under way waits now: for a host, a caller, or
// whoever else goes on with it.
func (o *Operations) Load(ctx context.Context) error {
	list, err := o.store.Operations(ctx, kept)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range list {
		if op.State == fleet.OperationRunning {
			op.State, op.BytesPerSecond = fleet.OperationWaiting, 0
		}
		o.byID[op.ID] = &record{Operation: op}
	}
	return nil
}

// Run prunes what is old until ctx ends.
func (o *Operations) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		o.prune(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *Operations) prune(ctx context.Context) {
	before := o.now().Add(-retention)
	o.mu.Lock()
	ended := []*record{}
	for _, r := range o.byID {
		if r.State.Ended() {
			ended = append(ended, r)
		}
	}
	slices.SortFunc(ended, func(a, b *record) int { return b.EndedAt.Compare(a.EndedAt) })
	for i, r := range ended {
		if i >= kept || r.EndedAt.Before(before) {
			delete(o.byID, r.ID)
		}
	}
	o.mu.Unlock()
	if err := o.store.PruneOperations(ctx, before); err != nil && ctx.Err() == nil {
		o.log.Warn("old operations not pruned", "error", err)
	}
}

// List returns all operations that are known, the one that was made last first.
func (o *Operations) List() []fleet.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]fleet.Operation, 0, len(o.byID))
	for _, r := range o.byID {
		list = append(list, r.Operation)
	}
	slices.SortFunc(list, func(a, b fleet.Operation) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Get returns one.
func (o *Operations) Get(id string) (fleet.Operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err := o.find(id)
	if err != nil {
		return fleet.Operation{}, err
	}
	return r.Operation, nil
}

func (o *Operations) find(id string) (*record, error) {
	if r := o.byID[id]; r != nil {
		return r, nil
	}
	return nil, fault.New(fault.NotFound, "there is no operation %q", id).On(fault.Caller)
}

// Since returns what has changed since the version that an earlier call returned, oldest
// change first, the version now, and a channel that is closed at the next change.
func (o *Operations) Since(version uint64) ([]fleet.Operation, uint64, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []*record
	for _, r := range o.byID {
		if r.version > version {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *record) int { return cmp.Compare(a.version, b.version) })
	changes := make([]fleet.Operation, len(list))
	for i, r := range list {
		changes[i] = r.Operation
	}
	return changes, o.version, o.changed
}

// touch notes a change. o.mu is held.
func (o *Operations) touch(r *record) {
	r.ChangedAt = o.now().UTC()
	o.version++
	r.version = o.version
	close(o.changed)
	o.changed = make(chan struct{})
}

// Cancel ends an operation early.
func (o *Operations) Cancel(id string) (fleet.Operation, error) {
	o.mu.Lock()
	r, err := o.find(id)
	if err == nil && r.State.Ended() {
		err = fault.New(fault.Conflict, "the operation has ended already: it is %s", r.State).On(fault.Caller)
	}
	if err != nil {
		o.mu.Unlock()
		return fleet.Operation{}, err
	}
	if r.cancel != nil {
		r.cancel(ErrCancelled) // whoever is at it ends it
		op := r.Operation
		o.mu.Unlock()
		return op, nil
	}
	op := o.end(r, ErrCancelled)
	o.mu.Unlock()
	o.save(op)
	return op, nil
}

// ErrCancelled is why an operation ends that somebody cancelled.
var ErrCancelled = fault.New(fault.Conflict, "somebody cancelled it").On(fault.Caller)

// Retry has an operation be tried now that failed or was cancelled, or that waits to be
// tried again.
func (o *Operations) Retry(ctx context.Context, id string) (fleet.Operation, error) {
	o.mu.Lock()
	r, err := o.find(id)
	if err == nil && r.retry == nil {
		err = fault.New(fault.Conflict, "an operation of the kind %q that is %s can't be tried again", r.Kind, r.State).On(fault.Caller)
	}
	if err != nil {
		o.mu.Unlock()
		return fleet.Operation{}, err
	}
	retry, op := r.retry, r.Operation
	o.mu.Unlock()
	return op, retry(ctx)
}

// newID returns an id that nobody can guess.
func newID() string { return fmt.Sprintf("op_%s", rand.Text()) }
