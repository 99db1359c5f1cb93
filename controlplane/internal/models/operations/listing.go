package operations

import (
	"cmp"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

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
	now := o.now()
	for _, r := range o.byID {
		if are(r) {
			list = append(list, r.seen(now))
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
	return r.seen(o.now()), nil
}

// seen returns a record as it is shown at a time.
func (r *record) seen(at time.Time) fleet.Operation {
	op := r.Operation
	if op.BytesPerSecond > 0 && !r.rate.known(at) { // such as of an upload that was broken off
		op.BytesPerSecond = 0
	}
	return op
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
	changes := []fleet.Operation{}
	now := o.now()
	for at := o.latest.Front(); at != nil; at = at.Next() {
		r := at.Value.(*record)
		if r.version <= version {
			break
		}
		changes = append(changes, r.seen(now))
	}
	slices.Reverse(changes)
	return changes, o.version, o.changed
}
