// Package router sends a request to an instance that holds its model: of those
// that serve, the least busy one, and of equals one that has the model in
// memory already.
package router

import (
	"context"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// View knows which instances hold a model; see [fleet.Registry.Holders].
type View interface {
	Holders(dst []fleet.Holder, ref string) []fleet.Holder
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

	mu      sync.Mutex
	holders []fleet.Holder // of the model that is being looked up; kept for its memory
	loads   map[place]load // one for each instance that was ever picked
	turn    uint64         // picks so far
}

// place is an instance, whatever its host is called just now.
type place struct {
	hostID, instance string
}

func placeOf(t fleet.Target) place { return place{t.HostID, t.Instance} }

// load is what an instance was given.
type load struct {
	inFlight int
	turn     uint64 // of its last pick, so that equals take turns
}

var _ fleet.Forwarder = (*Router)(nil)

// New returns a router over the instances in view, which are called through calls.
func New(view View, calls fleet.Caller, meter Meter, now func() time.Time) *Router {
	return &Router{view: view, calls: calls, meter: meter, now: now, loads: map[place]load{}}
}

// Forward implements [fleet.Forwarder]. The model reaches the instance under the
// name that it has there, and in the caller's spelling where that means the same.
// The answer's body counts as under way until it is closed.
func (r *Router) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	chosen, err := r.pick(model)
	if err != nil {
		return nil, err
	}
	if !means(model, chosen.Name) {
		if call.Body, err = renameModel(call.Body, chosen.Name); err != nil {
			r.release(chosen.Target)
			return nil, err
		}
	}
	r.meter.Begin()
	started := r.now()
	end := func(how fleet.Outcome) {
		r.release(chosen.Target)
		r.meter.End(r.now().Sub(started), how)
	}
	answer, err := r.calls.Call(ctx, chosen.Target, call)
	if err != nil {
		end(outcomeOf(err))
		return nil, err
	}
	answer.Body = metered(answer, end)
	return answer, nil
}

// means reports whether an Ollama takes ref for the model that it calls name.
// Its answers repeat what it was asked for, so the caller's spelling is kept
// where it can be.
func means(ref, name string) bool { return ref == name || ref+":latest" == name }

// pick chooses an instance and counts the request against it.
func (r *Router) pick(model string) (fleet.Holder, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holders = r.view.Holders(r.holders[:0], model)
	if len(r.holders) == 0 {
		return fleet.Holder{}, fault.New(fault.NotFound, "model %q not found", model).On(fault.Caller)
	}
	var best *fleet.Holder
	var bestLoad load
	for i := range r.holders {
		h := &r.holders[i]
		if !h.Serves {
			continue
		}
		given := r.loads[placeOf(h.Target)]
		// What the agent counts includes what others sent to its Ollama, but is old.
		l := load{inFlight: max(given.inFlight, h.InFlight), turn: given.turn}
		if best == nil || better(h, l, best, bestLoad) {
			best, bestLoad = h, l
		}
	}
	if best == nil {
		return fleet.Holder{}, fault.New(fault.Unavailable, "model %q is only on hosts that cannot serve it now", model).On(fault.Host)
	}
	r.turn++
	at := placeOf(best.Target)
	r.loads[at] = load{inFlight: r.loads[at].inFlight + 1, turn: r.turn}
	return *best, nil
}

// better reports whether a is to be picked before b.
func better(a *fleet.Holder, given load, b *fleet.Holder, other load) bool {
	switch {
	case given.inFlight != other.inFlight:
		return given.inFlight < other.inFlight
	case a.Loaded != b.Loaded:
		return a.Loaded
	}
	return given.turn < other.turn
}

func (r *Router) release(t fleet.Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.loads[placeOf(t)]
	l.inFlight--
	r.loads[placeOf(t)] = l
}
