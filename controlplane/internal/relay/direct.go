package relay

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Direct passes a request of a streaming route on to one instance, which the
// caller has chosen, at the endpoint's path, and its body piece by piece as it
// comes.
func (r *Relay) Direct(ctx context.Context, e Endpoint, calls fleet.Caller, to fleet.Target, req *edge.Request) (*edge.Response, error) {
	call := fleet.Call{Method: req.Method, Path: e.Path, Fields: callFields(req, false)}
	if req.ContentLength != 0 {
		call.Stream, call.StreamBytes = req.Stream, req.ContentLength
	}
	answer, err := calls.Call(ctx, to, call)
	if err != nil {
		return nil, err
	}
	return r.respond(e, answer, func() {})
}

// Fields returns the header fields of a request that a host gets to see.
func Fields(req *edge.Request) []fleet.Field { return callFields(req, false) }
