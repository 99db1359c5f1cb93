package router

import "github.com/corral-fleet/corral/controlplane/internal/fleet"

// price is what a request is expected to cost on an instance, in seconds.
type price struct {
	wait, load, prompt, generate float64
}

func (p price) total() float64 { return p.wait + p.load + p.prompt + p.generate }

// offer is an instance with what a request would cost there.
type offer struct {
	price
	cost    float64 // what is compared: the price, with its parts weighed by what they are to others
	holder  int     // its place among the holders
	running int     // requests for the model there, of whoever
	slots   int
	matched int // bytes of the prompt that it has computed already
	loaded  bool
	loads   bool // the request waits for the model to be loaded
	reloads bool // and has a runner unloaded that others use
	harmful bool // and that one is at work, so that others wait too
	turn    uint64
}

const (
	// crowding is by how much each request for another model slows this one down.
	crowding = 0.5
	// A reload is paid for twice: who wants the runner as it was pays again.
	reloadWeight = 2
	// A load into memory that is free serves all who come later, and waiting
	// where others wait already makes those wait who come later.
	freeLoadWeight = 0.25
	waitWeight     = 1.5
	// memoryOfSize is how much memory a model needs for each byte of its file:
	// its weights, its cache, and what computing takes.
	memoryOfSize = 1.25
	// overdue is the share of a load that is taken for undone when it takes
	// longer than expected.
	overdue = 0.1
)

// pricing is what offers for one request are made with.
type pricing struct {
	ask    *ask
	now    instant
	router *Router
	model  *modelState
	least  int     // requests for the model where there are fewest of them; -1 before that was looked up
	answer float64 // tokens that the answer is expected to have
	// What is taken for an instance's speeds where nothing was learned of them.
	promptSpeed, generateSpeed, bytesPerToken float64
	load                                      mean
}

// newPricing returns the pricing of a request by what is known of its model,
// nil for nothing.
func (r *Router) newPricing(a *ask, m *modelState, now instant) pricing {
	var known speeds
	if m != nil {
		known = m.speeds
	}
	p := pricing{
		ask: a, now: now, router: r, model: m, least: -1, load: known.load,
		promptSpeed: known.prompt.or(usualPrompt), generateSpeed: known.generate.or(usualGenerate),
		bytesPerToken: known.bytesPerToken.or(usualBytesPerToken),
	}
	if a.generates {
		p.answer = known.answer.or(usualAnswer)
		if a.maxTokens >= 0 {
			p.answer = min(p.answer, float64(a.maxTokens))
		}
	}
	return p
}

// offer fills in what a request would cost on an instance.
func (p *pricing) offer(o *offer, h *fleet.Holder, s *seat, r *runner) {
	*o = offer{slots: max(int(h.Parallel), 1), loaded: r.isLoaded(h, s)}
	others := s.runningOf(h)
	inFlight, ours := 0, 0
	if s != nil {
		o.turn, inFlight = s.turn, s.inFlight
	}
	if r != nil {
		ours = r.inFlight
	}
	o.running = ours + others
	if !p.ask.computes {
		return
	}
	if p.ask.prefix.blocks > 0 && r != nil && (o.loaded || r.loads > 0) {
		o.matched = r.cache.matched(p.ask)
		if o.matched > 0 && o.running > 1 && o.running > p.most() {
			o.matched = 0
		}
	}
	p.work(o, r, 1+crowding*float64(inFlight-ours))
	p.loading(o, h, r)
	if o.running > 0 {
		p.waiting(o, r, others)
	}
	o.cost = waitWeight*o.wait + o.prompt + o.generate
	if o.loads {
		o.cost += loadWeight(o, h, inFlight) * o.load
	}
}

// loadWeight is what a second of loading counts for.
func loadWeight(o *offer, h *fleet.Holder, inFlight int) float64 {
	if o.reloads {
		return reloadWeight
	}
	free, known := h.Report.GPUMemory.FreeBytes()
	switch {
	case known && float64(free) >= memoryOfSize*float64(h.SizeBytes):
		return freeLoadWeight
	case known && h.Resident > 0: // others are unloaded for it, and will be loaded again
		return reloadWeight
	case !known && h.Resident == 0 && inFlight == 0:
		return freeLoadWeight
	}
	return 1
}

// most is how many requests a runner may have at work for what it has in its
// cache to count: a few more, and no more than half as many again, as the one
// with the fewest.
func (p *pricing) most() int {
	if p.least < 0 {
		p.least = p.router.leastRunning(p.model)
	}
	return min(p.least+2, p.least+p.least/2+1)
}

// work prices the prompt and the answer.
func (p *pricing) work(o *offer, r *runner, crowd float64) {
	bytesPerToken, prompt, generate := p.bytesPerToken, p.promptSpeed, p.generateSpeed
	if r != nil {
		bytesPerToken, prompt, generate = r.bytesPerToken.or(bytesPerToken), r.prompt.or(prompt), r.generate.or(generate)
	}
	o.prompt = crowd * float64(p.ask.promptBytes-o.matched) / (bytesPerToken * prompt)
	o.generate = crowd * p.answer / generate
}

// loading prices the load of the model, or the rest of one that is under way.
func (p *pricing) loading(o *offer, h *fleet.Holder, r *runner) {
	full := p.load.or(usualLoad + float64(h.SizeBytes)/usualRead)
	if r != nil {
		full = r.load.or(full)
	}
	if r != nil && r.loads > 0 {
		o.loads = true
		o.load = max((r.loadUntil - p.now).seconds(), overdue*full)
		if r.reloads(p.ask, h) {
			o.reloads, o.harmful = true, true
			o.load += full
		}
		return
	}
	if !o.loaded {
		o.loads, o.load = true, full
		return
	}
	if r.reloads(p.ask, h) {
		o.loads, o.reloads, o.harmful = true, true, o.running > 0
		o.load = full
	}
}

// waiting prices the wait for a free place.
func (p *pricing) waiting(o *offer, r *runner, others int) {
	left := float64(others) * (o.prompt + o.generate) / 2 // which are half done, for all that is known
	if r != nil {
		work := r.work
		if r.loads == 0 {
			work.settle(p.now, min(r.inFlight, o.slots))
		}
		left += work.left
	}
	switch free := o.slots - o.running; {
	case o.reloads: // Ollama has the runner finish all that it works on
		o.wait = left / float64(min(o.running, o.slots))
	case free <= 0:
		o.wait = left * float64(1-free) / float64(o.running*o.slots)
	}
}

// before reports whether an offer is better than another. One that would have a
// runner at work loaded anew is the last resort, whatever its price.
func (o *offer) before(other *offer) bool {
	if o.harmful != other.harmful {
		return !o.harmful
	}
	if o.cost != other.cost {
		return o.cost < other.cost
	}
	switch {
	case o.running != other.running:
		return o.running < other.running
	case o.loaded != other.loaded:
		return o.loaded
	}
	return o.turn < other.turn
}
