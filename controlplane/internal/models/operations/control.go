package operations

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// End ends an operation that nobody is at: well, where err is nil.
func (o *Operations) End(id string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.byID[id]; r != nil && r.cancel == nil {
		o.end(r, err)
	}
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
// tried again, and returns the one that does that: another one where it had ended. One that
// is under way is fault.Conflict.
func (o *Operations) Retry(ctx context.Context, id string) (fleet.Operation, error) {
	o.mu.Lock()
	r, err := o.find(id)
	switch {
	case err != nil:
	case r.State == fleet.OperationRunning: // and whoever is at it may be about to end it
		err = fault.New(fault.Conflict, "the operation is under way; it can be tried again when it has ended").On(fault.Caller)
	case r.retry == nil:
		err = fault.New(fault.Conflict, "an operation of the kind %q that is %s can't be tried again", r.Kind, r.State).On(fault.Caller)
	}
	if err != nil {
		o.mu.Unlock()
		return fleet.Operation{}, err
	}
	retry := r.retry
	o.mu.Unlock()
	job, err := retry(ctx)
	if err != nil {
		return fleet.Operation{}, err
	}
	return job.Now(), nil
}
