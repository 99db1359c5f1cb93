package relay

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// DeadlineField is the header field by which a caller says how many seconds a
// request may take, from its arrival to the last byte of its answer.
const DeadlineField = "Corral-Timeout"

// maxDeadline is more than anything takes.
const maxDeadline = 24 * time.Hour

// bound returns a context that ends when the request's time is up, where it has
// one, or when it is cancelled. The caller's own limit counts, and otherwise most,
// 0 being none.
func bound(ctx context.Context, req *edge.Request, most time.Duration) (context.Context, context.CancelFunc, error) {
	limit := most
	if said := req.Header(DeadlineField); said != "" {
		seconds, err := strconv.ParseFloat(said, 64)
		if err != nil || !(seconds > 0) || math.IsInf(seconds, 0) {
			return nil, nil, fault.New(fault.Invalid, "the header field %s is %q, not a number of seconds above 0", DeadlineField, said).On(fault.Caller)
		}
		limit = time.Duration(min(seconds, maxDeadline.Seconds()) * float64(time.Second))
	}
	if limit == 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fault.New(fault.Timeout, "the request took longer than the %v that it may take", limit))
	return ctx, cancel, nil
}
