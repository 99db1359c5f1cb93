// Package operations has a record of each job that takes a while: how far it is, how
// fast, what became of it. Records outlive restarts; jobs are for whoever began them to
// go on with.
package operations

import (
	"container/list"
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

// kept is how many of the latest operations that have ended are known.
const kept = 1000

// Operations are the records. Its methods may be called concurrently.
type Operations struct {
	store fleet.OperationStore
	now   func() time.Time
	log   hclog.Logger

	mu      sync.Mutex
	byID    map[string]*record
	open    map[string]map[subject][]*record // those that have not ended, by their hosts' ids
	latest  *list.List                       // the records that have changed since the start, the one that did last in front
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

	version uint64        // of the last change
	change  *list.Element // in Operations.latest; nil before the first
	begun   bool          // since the program started
	rate    rate
	cancel  context.CancelCauseFunc             // nil where nobody is at it
	retry   func(context.Context) (*Job, error) // nil where it can't be tried again now
	forgo   func(context.Context) error         // nil where nothing has to be done for it not to be begun
}

// New returns no operations; see [Operations.Load].
func New(store fleet.OperationStore, now func() time.Time, log hclog.Logger) *Operations {
	return &Operations{
		store: store, now: now, log: log, byID: map[string]*record{}, open: map[string]map[subject][]*record{}, latest: list.New(), changed: make(chan struct{}),
		unsaved: map[string]bool{}, saving: make(chan struct{}, 1),
	}
}

// Load reads what was stored. What was under way waits now: for a host, a caller, or
// whoever else goes on with it.
func (o *Operations) Load(ctx context.Context) error {
	stored, err := o.store.Operations(ctx, kept)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range stored {
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

// newID returns an id that nobody can guess.
func newID() string { return fmt.Sprintf("op_%s", rand.Text()) }
