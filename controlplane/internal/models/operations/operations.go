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
	open    map[string]map[subject][]*record // those that have not ended, by their hosts' ids
	changed chan struct{}                    // closed and replaced at each change
	version uint64                           // counts the changes
	unsaved map[string]bool                  // the ids of those that are to be stored: at once where it is true
	saving  chan struct{}                    // of one place: something is to be stored at once
}

// subject is what an operation is about, beside its host. There is seldom more than one of a
// subject that has not ended, and there are thousands of operations.
type subject struct {
	kind  fleet.OperationKind
	model string // its canonical name
}

// record is an operation with who does it.
type record struct {
	fleet.Operation

	version uint64 // of the last change
	begun   bool   // since the program started
	rate    rate
	cancel  context.CancelCauseFunc     // nil where nobody is at it
	retry   func(context.Context) error // nil where it can't be tried again now
	forgo   func(context.Context) error // nil where nothing has to be done for it not to be begun
}

// New returns no operations; see [Operations.Load].
func New(store fleet.OperationStore, now func() time.Time, log hclog.Logger) *Operations {
	return &Operations{
		store: store, now: now, log: log, byID: map[string]*record{}, open: map[string]map[subject][]*record{}, changed: make(chan struct{}),
		unsaved: map[string]bool{}, saving: make(chan struct{}, 1),
	}
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
		o.know(&record{Operation: op})
	}
	return nil
}

// Settle ends those of these kinds that nobody has gone on with since [Operations.Load]: a
// kill came between the end of the job and that being stored.
func (o *Operations) Settle(kinds ...fleet.OperationKind) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.byID {
		if !r.begun && !r.State.Ended() && slices.Contains(kinds, r.Kind) {
			o.end(r, fault.New(fault.Unavailable, "the server was ended before it was noted how this went"))
		}
	}
}

// know takes a record over. o.mu is held.
func (o *Operations) know(r *record) {
	o.byID[r.ID] = r
	if !r.State.Ended() {
		about := r.subject()
		if o.open[r.HostID] == nil {
			o.open[r.HostID] = map[subject][]*record{}
		}
		o.open[r.HostID][about] = append(o.open[r.HostID][about], r)
	}
}

// close notes that an operation ends. o.mu is held.
func (o *Operations) close(r *record) {
	of, about := o.open[r.HostID], r.subject()
	left := slices.DeleteFunc(of[about], func(other *record) bool { return other == r })
	switch {
	case len(left) > 0:
		of[about] = left
	case len(of) > 1:
		delete(of, about)
	default:
		delete(o.open, r.HostID)
	}
}

func (r *record) subject() subject {
	return subject{r.Kind, fleet.CanonicalModel(r.Model)}
}

// Run stores what changes until ctx ends, and prunes what is old.
func (o *Operations) Run(ctx context.Context) error {
	pruning := time.NewTicker(time.Hour)
	defer pruning.Stop()
	saving := time.NewTicker(saveEvery)
	defer saving.Stop()
	o.prune(ctx)
	for {
		select {
		case <-ctx.Done():
			o.save(context.WithoutCancel(ctx), true)
			return nil
		case <-o.saving:
			o.save(ctx, false)
		case <-saving.C:
			o.save(ctx, true)
		case <-pruning.C:
			o.prune(ctx)
		}
	}
}

const (
	// saveTimeout is how long storing may take.
	saveTimeout = 10 * time.Second
	// saveAtOnce is how many are stored together: a model that is for a thousand hosts is a
	// thousand operations at once.
	saveAtOnce = 500
)

// save stores what has changed: progress only where all is to be stored. What can't be
// stored is tried with the next.
func (o *Operations) save(ctx context.Context, all bool) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	var list []fleet.Operation
	o.mu.Lock()
	for id, now := range o.unsaved {
		if r := o.byID[id]; r != nil && (now || all) {
			list = append(list, r.Operation)
			delete(o.unsaved, id)
		}
	}
	o.mu.Unlock()
	var failed []fleet.Operation
	var err error
	for part := range slices.Chunk(list, saveAtOnce) {
		if e := o.store.SaveOperation(ctx, part...); e != nil {
			failed, err = append(failed, part...), e
		}
	}
	if err == nil {
		return
	}
	o.log.Warn("operations not stored", "count", len(failed), "error", err)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range failed {
		if _, again := o.unsaved[failed[i].ID]; !again {
			o.unsaved[failed[i].ID] = false
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
	return o.those(func(*record) bool { return true })
}

// UnderWay returns those that have not ended, in the same order.
func (o *Operations) UnderWay() []fleet.Operation {
	return o.those(func(r *record) bool { return !r.State.Ended() })
}

// Hosts returns the ids of the hosts of which some have not ended, in no order.
func (o *Operations) Hosts() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	ids := make([]string, 0, len(o.open))
	for id := range o.open {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Waiting returns those about a host that wait, in no order.
func (o *Operations) Waiting(hostID string) []fleet.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []fleet.Operation
	for _, open := range o.open[hostID] {
		for _, r := range open {
			if r.State == fleet.OperationWaiting {
				list = append(list, r.Operation)
			}
		}
	}
	return list
}

func (o *Operations) those(are func(*record) bool) []fleet.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := []fleet.Operation{}
	for _, r := range o.byID {
		if are(r) {
			list = append(list, r.Operation)
		}
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

// End ends an operation that nobody is at: well, where err is nil.
func (o *Operations) End(id string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.byID[id]; r != nil && r.cancel == nil {
		o.end(r, err)
	}
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

// touch notes a change, which is stored at once where that matters. o.mu is held.
func (o *Operations) touch(r *record, now bool) {
	o.unsaved[r.ID] = o.unsaved[r.ID] || now
	if now {
		select {
		case o.saving <- struct{}{}:
		default:
		}
	}
	r.ChangedAt = o.now().UTC()
	o.version++
	r.version = o.version
	close(o.changed)
	o.changed = make(chan struct{})
}

// Cancel ends an operation early.
func (o *Operations) Cancel(ctx context.Context, id string) (fleet.Operation, error) {
	forgo, err := o.waiting(id)
	if err != nil {
		return fleet.Operation{}, err
	}
	if forgo != nil {
		if err := forgo(ctx); err != nil {
			return fleet.Operation{}, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err := o.find(id)
	switch {
	case err != nil:
		return fleet.Operation{}, err
	case r.cancel != nil:
		r.cancel(ErrCancelled) // whoever is at it ends it
		return r.Operation, nil
	}
	return o.end(r, ErrCancelled), nil
}

// waiting returns what has to be done so that an operation that waits is not begun, nil for
// nothing. One that has ended is fault.Conflict.
func (o *Operations) waiting(id string) (forgo func(context.Context) error, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err := o.find(id)
	switch {
	case err != nil:
		return nil, err
	case r.State.Ended():
		return nil, fault.New(fault.Conflict, "the operation has ended already: it is %s", r.State).On(fault.Caller)
	case r.cancel != nil:
		return nil, nil
	}
	return r.forgo, nil
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
