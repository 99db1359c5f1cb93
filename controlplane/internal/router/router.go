// Package router sends a request to an instance that holds its model: of those
// that serve, the least busy one, and of equals one that has the model in
// memory already.
package router

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// View is what is known of the hosts.
type View interface {
	Hosts() []fleet.HostView
}

// Meter counts requests to models.
type Meter interface {
	Begin()
	End(took time.Duration, failed bool)
}

// Router picks instances. Its methods may be called concurrently.
type Router struct {
	view  View
	calls fleet.Caller
	meter Meter
	now   func() time.Time

	mu       sync.Mutex
	inFlight map[fleet.Target]int
	turn     int // so that equals take turns
}

var _ fleet.Forwarder = (*Router)(nil)

// New returns a router over the hosts in view, which are called through calls.
func New(view View, calls fleet.Caller, meter Meter, now func() time.Time) *Router {
	return &Router{view: view, calls: calls, meter: meter, now: now, inFlight: map[fleet.Target]int{}}
}

// candidate is an instance that holds a model.
type candidate struct {
	target fleet.Target
	model  string // its name there
	digest string
	serves bool
	loaded bool
	busy   int // requests under way, by our count or by the agent's, whichever is more
}

// Forward sends the call to an instance that holds the model, under the name
// that the model has there. The answer's body counts as under way until it is
// closed.
func (r *Router) Forward(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	chosen, err := r.pick(model)
	if err != nil {
		return nil, err
	}
	if chosen.model != model {
		if call.Body, err = renameModel(call.Body, chosen.model); err != nil {
			r.release(chosen.target)
			return nil, err
		}
	}
	r.meter.Begin()
	started := r.now()
	answer, err := r.calls.Call(ctx, chosen.target, call)
	if err != nil {
		r.release(chosen.target)
		r.meter.End(r.now().Sub(started), true)
		return nil, err
	}
	answer.Body = &meteredBody{ReadCloser: answer.Body, end: func(failed bool) {
		r.release(chosen.target)
		r.meter.End(r.now().Sub(started), failed || answer.Status >= 400)
	}}
	return answer, nil
}

// pick chooses an instance and counts the request against it.
func (r *Router) pick(model string) (candidate, error) {
	all := r.candidates(model)
	if len(all) == 0 {
		return candidate{}, fault.New(fault.NotFound, "model %q not found", model).On(fault.Caller)
	}
	able := slices.DeleteFunc(all, func(c candidate) bool { return !c.serves })
	if len(able) == 0 {
		return candidate{}, fault.New(fault.Unavailable, "model %q is only on hosts that cannot serve it now", model).On(fault.Host)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range able {
		able[i].busy = max(able[i].busy, r.inFlight[able[i].target])
	}
	r.turn++
	shift := r.turn % len(able)
	able = append(able[shift:], able[:shift]...)
	best := slices.MinFunc(able, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.busy, b.busy), -compareBool(a.loaded, b.loaded))
	})
	r.inFlight[best.target]++
	return best, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (r *Router) release(t fleet.Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight[t]--; r.inFlight[t] <= 0 {
		delete(r.inFlight, t)
	}
}

// candidates returns the instances that hold the model, whether they serve or
// not. Where hosts disagree about the digest behind a plain name, only those
// with the digest that the name stands for are among them.
func (r *Router) candidates(ref string) []candidate {
	hosts := r.view.Hosts()
	name, digest := r.resolve(hosts, ref)
	var found []candidate
	for h := range hosts {
		host := &hosts[h]
		for i := range host.Instances {
			instance := &host.Instances[i]
			for _, have := range instance.Models {
				if fleet.CanonicalModel(have.Name) != name || digest != "" && have.Digest != digest {
					continue
				}
				c := candidate{
					target: fleet.Target{HostID: host.ID, Host: host.Name, Instance: instance.Name},
					model:  have.Name, digest: have.Digest, busy: instance.InFlight,
					serves: host.State.Reachable() && !host.Draining && instance.Serves(),
				}
				c.loaded = slices.ContainsFunc(instance.Loaded, func(l fleet.LoadedModel) bool {
					return fleet.CanonicalModel(l.Name) == name
				})
				found = append(found, c)
			}
		}
	}
	return found
}

// resolve turns what a caller wrote, a name, a name with a digest or an id, into
// a name and, where the choice matters, a digest.
func (r *Router) resolve(hosts []fleet.HostView, ref string) (name, digest string) {
	name, digest = fleet.SplitDigest(ref)
	byID := strings.HasPrefix(name, "m_")
	name = fleet.CanonicalModel(name)
	for _, m := range fleet.ModelsOf(hosts) {
		if m.Name == name || byID && m.ID == ref {
			if digest == "" && m.Conflict {
				digest = m.Digest
			}
			return m.Name, digest
		}
	}
	return name, digest
}
