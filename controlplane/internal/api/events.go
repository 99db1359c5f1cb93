package api

import (
	"context"
	"strconv"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// How many events are told.
const (
	defaultEvents = 100
	maxEvents     = 1000
)

// events answers with the latest events, oldest first, or with those after one.
func (a *API) events(_ context.Context, r *edge.Request) (*edge.Response, error) {
	limit, err := integer(r.Query, "limit", defaultEvents, 1, maxEvents)
	if err != nil {
		return nil, err
	}
	var after uint64
	if text := r.Query.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fault.New(fault.Invalid, "the parameter %q is %q, not the id of an event", "after", text).On(fault.Caller)
		}
	}
	return edge.JSON(200, a.Events.After(after, limit))
}
