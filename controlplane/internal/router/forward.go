package router

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/failover"
	"github.com/corral-fleet/corral/controlplane/internal/router/queue"
)

// Forward implements [fleet.Forwarder]. Where all that the model's instances
// serve at a time is taken, the request waits in line first. The model reaches the
// instance under the name that it has there, and in the caller's spelling where
// that means the same. A request that fails before the first byte of its answer,
// by no fault of its own, is sent to another instance where there is one. The
// answer's body counts as under way until it is closed. An error after an
// instance was chosen is a [fleet.DecidedError].
func (r *Router) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	a := readAsk(r.seed, model, call.Path, call.Body)
	started := r.now()
	c, turn, err := r.admit(ctx, &a, &call)
	if err != nil {
		return nil, err
	}
	r.guard.Retries.Arrived()
	r.meter.Begin()
	facts := failover.Request{Repeatable: failover.Repeatable(call.Method, call.Path), BodyHeld: call.Stream == nil}
	facts.Deadline, _ = ctx.Deadline()
	var past failover.Tried
	var tried []fleet.Target
	for {
		t := r.attempt(ctx, &a, c, call)
		if r.guard.Retries.Retry(facts, c.to.Report.Target, failover.Attempt{Blame: t.blame}, &past).Again() {
			tried = append(tried, c.to.Report.Target)
			if next, err := r.choose(&a, tried); err == nil {
				t.drop()
				c = next
				continue
			}
		}
		return r.conclude(t, c, turn, started)
	}
}

// conclude returns what the last attempt brought. The request leaves its place
// when that is over.
func (r *Router) conclude(t attempt, c *choice, turn *queue.Ticket, started time.Time) (*fleet.Answer, error) {
	over := func(how fleet.Outcome) {
		if turn != nil {
			turn.Leave(c.spent)
		}
		r.meter.End(r.now().Sub(started), how)
	}
	if t.err != nil {
		over(outcomeOf(t.err))
		return nil, &fleet.DecidedError{Decision: c.decision, Err: t.err}
	}
	t.body.ended = over
	return t.answer, nil
}
