// Package router sends a request to an instance that holds its model: of those
// that serve, the one that is expected to be done with it first. It prices each
// by what is known of it: the wait for a free place, the load of the model or
// its reload for other options, the part of the prompt that it has not computed
// yet, and the answer.
package router

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
	"github.com/corral-fleet/corral/controlplane/internal/router/failover"
	"github.com/corral-fleet/corral/controlplane/internal/router/queue"
)

// View knows which instances hold a model, and which hosts there are; see
// [fleet.Registry].
type View interface {
	Holders(dst []fleet.Holder, ref string) []fleet.Holder
	Find(idOrName string) (fleet.HostView, error)
	Changed() <-chan struct{}
}

// Meter counts requests to models.
type Meter interface {
	Begin()
	End(took time.Duration, how fleet.Outcome)
}

// Router picks instances. Its methods may be called concurrently.
type Router struct {
	view  View
	calls fleet.Caller
	meter Meter
	guard Guard
	line  *queue.Queue
	now   func() time.Time
	began time.Time
	seed  maphash.Seed

	options func() Options

	mu        sync.Mutex
	holders   []fleet.Holder // of the model that is being looked up; kept for its memory
	seats     paged[seat]    // by the instance's number
	models    map[string]*modelState
	turn      uint64 // picks so far
	decisions decisions
	swept     time.Time
	waiting   map[string]waited // by the digest; those that requests wait for, or did not long ago
	lines     []queue.State     // kept for its memory
	length    int               // of a line, as the queue was last told
}

// Options are what may change while a router works.
type Options struct {
	QueueLength  int           // requests that may wait for one model; 0 is [queue.DefaultMaxWaiting]
	QueueTimeout time.Duration // how long one may wait in line; 0 is without end
}

var _ fleet.Forwarder = (*Router)(nil)

// Guard keeps requests away from what fails, and says what is sent again.
type Guard struct {
	Breakers *breaker.Breaker
	Retries  *failover.Budget
}

// NewGuard returns a guard with the default limits.
func NewGuard(now func() time.Time) (Guard, error) {
	breakers, err := breaker.New(breaker.Defaults(), now, rand.Float64)
	if err != nil {
		return Guard{}, err
	}
	retries, err := failover.NewBudget(failover.Defaults(), now)
	return Guard{Breakers: breakers, Retries: retries}, err
}

// New returns a router over the instances in view, which are called through calls.
// While [Router.Run] does not run, requests that wait in line are let in by
// others that leave, and not by hosts that come.
func New(view View, calls fleet.Caller, meter Meter, guard Guard, options func() Options, now func() time.Time) *Router {
	began := now()
	return &Router{
		view: view, calls: calls, meter: meter, guard: guard, options: options, now: now, began: began, seed: maphash.MakeSeed(),
		line:   queue.New(queue.Options{Now: now}),
		models: map[string]*modelState{}, decisions: newDecisions(began), swept: began, waiting: map[string]waited{},
	}
}

// send sends a call to the instance that was chosen. The choice is released
// when the call fails, or else with the answer's body.
func (r *Router) send(ctx context.Context, a *ask, c *choice, call fleet.Call) (*fleet.Answer, *meteredBody, error) {
	own := means(a.model, c.to.Name)
	if !own {
		renamed, err := renameModel(call.Body, c.to.Name)
		if err != nil {
			r.release(a, c, fleet.Counts{})
			return nil, nil, err
		}
		call.Body = renamed
	}
	answer, err := r.calls.Call(ctx, c.to.Report.Target, call)
	if err != nil {
		r.release(a, c, fleet.Counts{})
		return nil, nil, err
	}
	if answer.Status < 400 {
		r.begin(c)
	}
	answer.Decision, answer.Model, answer.Renamed, answer.Digest = c.decision, c.to.Name, !own, c.to.Digest
	body := metered(answer, c.runner != nil, func(whole bool) {
		var told fleet.Counts
		if whole {
			told = answer.End.Counts(a.path)
		}
		c.spent = spent(told)
		r.release(a, c, told)
		r.sweep()
	})
	answer.Body = body
	return answer, body, nil
}

// means reports whether an Ollama takes ref for the model that it calls name.
// Its answers repeat what it was asked for, so the caller's spelling is kept
// where it can be.
func means(ref, name string) bool { return fleet.SameModel(ref, name) }
