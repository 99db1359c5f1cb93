package relay

import (
	"context"

	"github.com/corral-fleet/corral/sdk/fault"
)

// errLeaving refuses a request so that it is sent to another host.
var errLeaving = fault.New(fault.Unavailable, "the agent on this host was told to end and takes on no more requests").On(fault.Host)

// enter counts a request, or returns false when no more are taken on.
func (r *Relay) enter() bool {
	r.inFlight.Add(1)
	if r.draining.Load() { // after the count: Drain looks in the other order
		r.exit()
		return false
	}
	return true
}

// exit takes a request off the count.
func (r *Relay) exit() {
	r.inFlight.Add(-1)
	r.tellEnded()
}

// tellEnded tells Drain that a request or a job has ended.
func (r *Relay) tellEnded() {
	if r.draining.Load() {
		select {
		case r.ended <- struct{}{}:
		default: // there is one to come
		}
	}
}

// Drain refuses requests to instances from now on, ends jobs, and returns when all
// that is under way has ended or ctx has. It returns how many are left.
func (r *Relay) Drain(ctx context.Context) int {
	if !r.draining.Swap(true) {
		close(r.leaving)
	}
	for {
		left := r.InFlight() + int(r.jobCount.Load())
		if left == 0 {
			return 0
		}
		select {
		case <-r.ended:
		case <-ctx.Done():
			return left
		}
	}
}
