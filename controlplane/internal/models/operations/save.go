package operations

import (
	"context"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// saveEvery is how often progress is stored. What is lost of it by a kill is seen
	// again soon.
	saveEvery = 5 * time.Second
	// retention is how long an operation that has ended is known.
	retention = 30 * 24 * time.Hour
	// saveTimeout is how long storing may take.
	saveTimeout = 10 * time.Second
	// saveAtOnce is how many are stored together: a model that is for a thousand hosts is a
	// thousand operations at once.
	saveAtOnce = 500
)

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
		if e := o.store.SaveOperations(ctx, part...); e != nil {
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
			o.forget(r)
		}
	}
	o.mu.Unlock()
	if err := o.store.PruneOperations(ctx, before); err != nil && ctx.Err() == nil {
		o.log.Warn("old operations not pruned", "error", err)
	}
}

// forget forgets a record. o.mu is held.
func (o *Operations) forget(r *record) {
	delete(o.byID, r.ID)
	if r.change != nil {
		o.latest.Remove(r.change)
	}
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
	if r.change == nil {
		r.change = o.latest.PushFront(r)
	} else {
		o.latest.MoveToFront(r.change)
	}
	close(o.changed)
	o.changed = make(chan struct{})
}
