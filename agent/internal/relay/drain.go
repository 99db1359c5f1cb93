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
	if r.draining.Load() {
		select {
		case r.ended <- struct{}{}:
		default: // there is one to come
		}
	}
}

// Drain refuses requests to instances from now on and returns when those under
// way have ended or ctx has. It returns how many are left.
func (r *Relay) Drain(ctx context.Context) int {
	r.draining.Store(true)
	for {
		left := r.InFlight()
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
