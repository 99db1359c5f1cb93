// Package router sends a request to an instance that holds its model: of those
// that serve, the one that is expected to be done with it first. It prices each
// by what is known of it: the wait for a free place, the load of the model or
// its reload for other options, the part of the prompt that it has not computed
// yet, and the answer.
package router

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// View knows which instances hold a model, and which hosts there are; see
// [fleet.Registry].
type View interface {
	Holders(dst []*fleet.Holder, ref string) []*fleet.Holder
	Find(idOrName string) (fleet.HostView, error)
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
	now   func() time.Time
	seed  maphash.Seed

	mu        sync.Mutex
	holders   []*fleet.Holder // of the model that is being looked up; kept for its memory
	seats     []*seat         // by the instance's number; nil where none was ever picked
	models    map[string]*modelState
	turn      uint64 // picks so far
	decisions decisions
	swept     time.Time
}

var _ fleet.Forwarder = (*Router)(nil)

// New returns a router over the instances in view, which are called through calls.
func New(view View, calls fleet.Caller, meter Meter, now func() time.Time) *Router {
	began := now()
	return &Router{
		view: view, calls: calls, meter: meter, now: now, seed: maphash.MakeSeed(),
		models: map[string]*modelState{}, decisions: newDecisions(began), swept: began,
	}
}

// Forward implements [fleet.Forwarder]. The model reaches the instance under the
// name that it has there, and in the caller's spelling where that means the same.
// The answer's body counts as under way until it is closed. An error after an
// instance was chosen is a [fleet.DecidedError].
func (r *Router) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	a := readAsk(r.seed, model, call.Path, call.Body)
	c, err := r.choose(&a, nil)
	if err != nil {
		return nil, err
	}
	answer, err := r.send(ctx, &a, c, call)
	if err != nil {
		return nil, &fleet.DecidedError{Decision: c.decision, Err: err}
	}
	return answer, nil
}

// send sends a call to the instance that was chosen. The choice is released
// when the call fails, or else with the answer's body.
func (r *Router) send(ctx context.Context, a *ask, c *choice, call fleet.Call) (*fleet.Answer, error) {
	if !means(a.model, c.to.Name) {
		renamed, err := renameModel(call.Body, c.to.Name)
		if err != nil {
			r.release(a, c, counts{})
			return nil, err
		}
		call.Body = renamed
	}
	r.meter.Begin()
	started := r.now()
	end := func(how fleet.Outcome, told counts) {
		r.release(a, c, told)
		r.meter.End(r.now().Sub(started), how)
		r.sweep()
	}
	answer, err := r.calls.Call(ctx, c.to.Target, call)
	if err != nil {
		end(outcomeOf(err), counts{})
		return nil, err
	}
	if answer.Status < 400 {
		r.begin(c)
	}
	answer.Decision, answer.Model, answer.Digest = c.decision, c.to.Name, c.to.Digest
	answer.Body = metered(answer, c.runner != nil, end)
	return answer, nil
}

// means reports whether an Ollama takes ref for the model that it calls name.
// Its answers repeat what it was asked for, so the caller's spelling is kept
// where it can be.
func means(ref, name string) bool { return fleet.SameModel(ref, name) }
