package relaytest

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Call stands in for every instance by itself: it is a function that answers calls.
type Call func(ctx context.Context, to fleet.Target, call fleet.Call) (*fleet.Answer, error)

// Call implements [fleet.Caller].
func (f Call) Call(ctx context.Context, to fleet.Target, call fleet.Call) (*fleet.Answer, error) {
	return f(ctx, to, call)
}

// NoHosts returns a caller that reaches nobody.
func NoHosts() Call {
	return func(context.Context, fleet.Target, fleet.Call) (*fleet.Answer, error) {
		return nil, fault.New(fault.Unavailable, "the host could not be reached").On(fault.Host)
	}
}
