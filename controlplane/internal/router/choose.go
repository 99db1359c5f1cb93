package router

import (
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// modelState is what is known of a model by its digest.
type modelState struct {
	speeds                // on all instances
	runners paged[runner] // by the instance's number
	turn    uint64        // of its last pick
}

// runner returns what is known of the model on an instance, nil for nothing.
func (m *modelState) runner(number uint32) *runner {
	if m == nil {
		return nil
	}
	if r := m.runners.at(number); r != nil && r.used {
		return r
	}
	return nil
}

// choice is the instance that a request goes to.
type choice struct {
	offer
	to       fleet.Holder
	seat     *seat
	model    *modelState
	runner   *runner // nil for a request that needs no model in memory
	decision string
	starts   bool    // the load that it waits for is its own
	began    bool    // an answer has come, so whatever was loaded is
	spent    float64 // what the request has cost, in seconds of a runner; below 0 while that is not known
}

// choose picks an instance for a request and counts the request against it.
// Those in tried are left out: they were chosen before, and failed. So are those
// that have failed too often lately, for anybody.
func (r *Router) choose(a *ask, tried []fleet.Target) (*choice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.look(a); err != nil {
		return nil, err
	}
	return r.pick(a, tried)
}

// look finds who holds the model. The caller holds mu.
func (r *Router) look(a *ask) error {
	r.holders = r.view.Holders(r.holders[:0], a.model)
	if len(r.holders) == 0 {
		return fault.New(fault.NotFound, "model %q not found", a.model).On(fault.Caller)
	}
	return nil
}

// pick chooses among the holders that were found. The caller holds mu.
func (r *Router) pick(a *ask, tried []fleet.Target) (*choice, error) {
	now := r.now()
	model := r.models[r.holders[0].Digest]
	p := r.newPricing(a, model, r.instant(now))
	r.turn++
	record := r.decisions.begin(r.turn, len(r.holders))
	var best, o offer
	found, refused := false, ""
	calm := r.guard.Breakers.Calm()
	for i := range r.holders {
		h := &r.holders[i]
		s := r.seat(h)
		if why := r.refuses(a, h, tried, calm); why != "" {
			refused = moreTelling(refused, why)
			record.refuse(i, why)
			continue
		}
		p.offer(&o, h, s, model.runner(h.Number))
		o.holder = i
		if !found || o.before(&best) {
			best, found = o, true
		}
		record.consider(&o)
	}
	if !found {
		record.drop()
		return nil, nobody(a, refused)
	}
	record.keep(r.holders)
	c := r.take(a, &best, p.now)
	record.settle(a, c, now)
	c.decision = r.decisions.id(r.turn)
	return c, nil
}

// retrySoon is when a request that found every host failing may be worth another try.
const retrySoon = 5 * time.Second

// refuses says why a request can't go to an instance, or returns "". Calm is
// whether no breaker at all is open.
func (r *Router) refuses(a *ask, h *fleet.Holder, tried []fleet.Target, calm bool) string {
	switch {
	case !h.Serves:
		return refusedAway
	case a.needs&^h.Routes != 0:
		return refusedOld
	case len(tried) > 0 && slices.Contains(tried, h.Report.Target):
		return refusedTried
	case !calm && !r.guard.Breakers.Allow(h.Report.Target, h.Name).Passes():
		return refusedOpen
	}
	return ""
}

// moreTelling returns which of two reasons a caller is told: one that passes soon
// before one that takes somebody's hand, and that before any other.
func moreTelling(a, b string) string {
	for _, why := range [...]string{refusedOpen, refusedOld} {
		if a == why || b == why {
			return why
		}
	}
	return b
}

// nobody is the error of a request that every holder refuses.
func nobody(a *ask, refused string) error {
	switch refused {
	case refusedOpen:
		return fault.New(fault.Unavailable, "model %q is only on hosts that failed too often just now; they are tried again soon", a.model).
			On(fault.Host).After(retrySoon)
	case refusedOld:
		_, since := fleet.RouteOf(a.path)
		return fault.New(fault.NotImplemented, "model %q is only on hosts whose Ollama does not have %s yet, which came with %s", a.model, a.path, since).
			On(fault.Ollama)
	}
	return fault.New(fault.Unavailable, "model %q is only on hosts that cannot serve it now", a.model).On(fault.Host)
}

// leastRunning returns how many requests for the model are under way where there
// are fewest of them.
func (r *Router) leastRunning(m *modelState) int {
	least := -1
	for i := range r.holders {
		h := &r.holders[i]
		if !h.Serves {
			continue
		}
		running := r.seat(h).runningOf(h)
		if runner := m.runner(h.Number); runner != nil {
			running += runner.inFlight
		}
		if least < 0 || running < least {
			least = running
		}
	}
	return max(least, 0)
}

// seat returns what is known of an instance, with what its agent told since; nil
// where none was ever picked.
func (r *Router) seat(h *fleet.Holder) *seat {
	s := r.seats.at(h.Number)
	if s == nil || s.report == nil {
		return nil
	}
	if s.report != h.Report {
		if s.report.Run != h.Report.Run {
			r.forgive(h.Report.Target)
		}
		s.listen(h, r.instant(h.Report.ToldAt))
	}
	return s
}

// forgive forgets the failures of an instance that was started anew.
func (r *Router) forgive(target fleet.Target) {
	r.guard.Breakers.Forget(func(at fleet.Target, _ string) bool {
		return at.HostID == target.HostID && at.Instance == target.Instance
	})
}

// take counts a request against the instance that it goes to.
func (r *Router) take(a *ask, o *offer, now instant) *choice {
	h := &r.holders[o.holder]
	c := &choice{offer: *o, to: *h, seat: r.seats.make(h.Number), spent: notServed}
	if c.seat.report == nil {
		c.seat.listen(h, r.instant(h.Report.ToldAt))
	}
	c.seat.turn = r.turn
	c.seat.inFlight++
	if !a.computes {
		return c
	}
	c.model = r.models[h.Digest]
	if c.model == nil {
		c.model = &modelState{}
		r.models[h.Digest] = c.model
	}
	c.model.turn = r.turn
	c.runner = c.model.runners.make(h.Number)
	c.runner.used = true
	c.runner.take(a, c, now, r.turn)
	return c
}

// take counts a request against the runner.
func (r *runner) take(a *ask, c *choice, now instant, turn uint64) {
	if r.loads == 0 {
		r.work.settle(now, min(r.inFlight, c.slots))
	}
	r.inFlight++
	r.work.begin(c.prompt + c.generate)
	if c.loads {
		if c.starts = r.loads == 0 || c.reloads; c.starts {
			r.cache = r.cache[:0] // it goes with the runner
			r.loadUntil = now + instant((c.wait+c.load)*float64(time.Second))
		}
		r.loads++
	}
	if c.loads || !r.known {
		r.options, r.known = a.options, true
	}
	r.cache = r.cache.put(a, c.slots, turn)
}

// begin notes that an answer has come: the model is in memory.
func (r *Router) begin(c *choice) {
	if c.runner == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.began = true
	c.runner.usedAt = r.instant(r.now())
	if c.loads {
		c.runner.loads--
		c.runner.work.at = c.runner.usedAt // nothing was done before
	}
}

// release takes a request off the instance that it was sent to, and learns from
// what its answer told.
func (r *Router) release(a *ask, c *choice, told fleet.Counts) {
	now := r.instant(r.now())
	r.mu.Lock()
	defer r.mu.Unlock()
	c.seat.inFlight--
	c.seat.ended = now
	if c.runner == nil {
		return
	}
	if c.loads && !c.began {
		c.runner.loads--
	}
	c.runner.inFlight--
	c.runner.work.settle(now, min(c.runner.inFlight+1, c.slots))
	c.runner.work.end(c.prompt+c.generate, c.runner.inFlight == 0)
	if c.began {
		c.runner.usedAt = now
	}
	if a.unloads {
		c.runner.goneAt = now
	}
	c.runner.learn(a, told, c.matched, c.starts)
	c.model.learn(a, told, c.matched, c.starts)
}
