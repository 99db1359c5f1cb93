package router

import (
	"cmp"
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/queue"
	"github.com/corral-fleet/corral/sdk/fault"
)

// ahead is how many requests that generate nothing, such as embeddings, may be at
// an instance beyond those that it works on: they are so short that it would
// stand still while the next one is on its way. One that generates takes so long
// that the way does not matter, and is better kept where it can still go elsewhere.
const ahead = 4

// admit returns the instance for a request, once there is a place for it among
// those that the model's instances serve at a time, and its turn in line, which
// must be left when it is over; nil for a request that needs no place.
func (r *Router) admit(ctx context.Context, a *ask, call *fleet.Call) (*choice, *queue.Ticket, error) {
	c, turn, err := r.arrive(ctx, a, &call.From)
	if err != nil || c != nil {
		return c, turn, err
	}
	if err := r.await(ctx, turn, call.Place); err != nil {
		turn.Leave(notServed)
		return nil, nil, err
	}
	a.queued, _ = turn.Waited()
	if c, err = r.choose(a, nil); err != nil {
		turn.Leave(notServed)
		return nil, nil, err
	}
	return c, turn, nil
}

// notServed is the cost of a request that was let in and got no answer: what was
// expected stands, so that failing is not free.
const notServed = -1

// arrive takes a place for a request and picks its instance, or returns neither
// an error nor a choice when it has to wait in line.
func (r *Router) arrive(ctx context.Context, a *ask, from *fleet.Origin) (*choice, *queue.Ticket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.look(a); err != nil {
		return nil, nil, err
	}
	if !a.computes {
		c, err := r.pick(a, nil)
		return c, nil, err
	}
	if length := cmp.Or(r.options().QueueLength, queue.DefaultMaxWaiting); length != r.length {
		r.length = length
		r.line.SetMaxWaiting(length)
	}
	digest := r.holders[0].Digest
	r.line.SetCapacity(digest, places(r.holders, !a.generates))
	model := r.models[digest]
	turn, err := r.line.Enter(ctx, queue.Request{
		Model: digest, Name: a.model, KeyID: from.KeyID, Priority: from.Priority, Cost: r.expected(a, model),
	})
	if err != nil {
		return nil, nil, err
	}
	select {
	case <-turn.Ready():
	default:
		r.waiting[digest] = waited{a.model, r.holders[0].Name + "@sha256:" + digest, !a.generates}
		return nil, turn, nil
	}
	c, err := r.pick(a, nil)
	if err != nil {
		turn.Leave(notServed)
		return nil, nil, err
	}
	return c, turn, nil
}

// await waits until a request is let in.
func (r *Router) await(ctx context.Context, turn *queue.Ticket, place *fleet.Place) error {
	if place != nil {
		place.Wait(turn.Position)
		defer func() {
			waited, _ := turn.Waited()
			place.Leave(waited)
		}()
	}
	var late <-chan time.Time
	if most := r.options().QueueTimeout; most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-turn.Ready():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late:
		wait, _ := turn.Expected()
		return fault.New(fault.Unavailable, "no host became free for this request in time; try again later").After(max(wait, retrySoon))
	}
}

// expected returns what a request is expected to cost, in seconds of a runner.
func (r *Router) expected(a *ask, m *modelState) float64 {
	p := r.newPricing(a, m, r.instant(r.now()))
	return float64(a.promptBytes)/(p.bytesPerToken*p.promptSpeed) + p.answer/p.generateSpeed
}

// spent returns what a request has cost, by what its answer told; below 0 where
// it told nothing.
func spent(told fleet.Counts) float64 {
	if told.Tokens == nil && told.PromptTokens == nil {
		return notServed
	}
	return (told.Prompt + told.Generate).Seconds()
}

// places returns how many requests the instances among holders serve at a time,
// or [queue.Unknown] where one of them does not tell, or none serves: then
// nobody waits here.
func places(holders []fleet.Holder, short bool) int {
	n := 0
	for i := range holders {
		h := &holders[i]
		if !h.Serves {
			continue
		}
		if h.Parallel == 0 {
			return queue.Unknown
		}
		n += int(h.Parallel)
		if short {
			n += ahead
		}
	}
	if n == 0 {
		return queue.Unknown
	}
	return n
}

// waited is a model that requests wait for.
type waited struct {
	name  string // by which it was asked for
	ref   string // by which its holders are found, whatever that name comes to mean
	short bool   // by requests that generate nothing
}

// resizeEvery is how often at most the lines are given other places: a large
// fleet changes all the time.
const resizeEvery = 20 * time.Millisecond

// Run lets in those who wait when hosts come and go, until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	pause := time.NewTicker(resizeEvery)
	defer pause.Stop()
	for {
		changed := r.view.Changed()
		r.resize()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// resize gives the lines in which requests wait as many places as there are now.
func (r *Router) resize() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return
	}
	r.lines = r.line.States(r.lines[:0])
	still := map[string]waited{}
	for _, s := range r.lines {
		w, ok := r.waiting[s.Model]
		if !ok || s.Waiting == 0 {
			continue
		}
		still[s.Model] = w
		r.holders = r.view.Holders(r.holders[:0], w.ref)
		r.line.SetCapacity(s.Model, places(r.holders, w.short))
	}
	r.waiting = still
}
