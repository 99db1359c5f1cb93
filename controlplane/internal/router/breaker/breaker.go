package breaker

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Breaker remembers failures. It keeps nothing of what works: a circuit begins
// with the first failure, which is from when on its successes count too, and is
// forgotten once its failures are older than the window. Its methods may be
// called concurrently.
type Breaker struct {
	now    func() time.Time
	random func() float64
	born   time.Time

	known  atomic.Int64                   // instances in places
	open   atomic.Pointer[map[string]int] // open circuits of each host that has any; replaced, never changed
	number atomic.Uint64                  // of the last opening, closing or probe; changes under mu alone

	mu     sync.RWMutex
	limits Thresholds
	places map[instance]*place
}

// instance is an Ollama on a host, whatever the host is called just now.
type instance struct {
	hostID, name string
}

func instanceOf(t fleet.Target) instance { return instance{t.HostID, t.Instance} }

// place is what is remembered of an instance. It has no fewer circuits than
// have anything to remember.
type place struct {
	whole  *circuit // nil without anything to remember
	models map[string]*circuit
}

// New returns a breaker that remembers nothing yet. random returns numbers in
// [0, 1); both functions may be called concurrently.
func New(limits Thresholds, now func() time.Time, random func() float64) (*Breaker, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	b := &Breaker{now: now, random: random, born: now(), limits: limits, places: map[instance]*place{}}
	b.open.Store(&map[string]int{})
	return b, nil
}

// Set changes the thresholds, for what comes from now on. When the window
// becomes another, what it has counted is forgotten; what is open stays open.
func (b *Breaker) Set(limits Thresholds) error {
	if err := limits.Validate(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := limits.Window != b.limits.Window
	b.limits = limits
	if changed {
		for _, p := range b.places {
			p.each(func(_ string, c *circuit) { c.recent = window{} })
		}
	}
	return nil
}

// Calm reports whether no circuit at all is open: then there is no need to ask
// [Breaker.Allow] of anybody.
func (b *Breaker) Calm() bool { return len(*b.open.Load()) == 0 }

// Allow tells what would become of a request for a model at an instance now. It
// changes nothing, so that a router may ask it of every candidate. Where no
// circuit of the host is open it takes no lock.
func (b *Breaker) Allow(at fleet.Target, model string) State {
	if (*b.open.Load())[at.HostID] == 0 {
		return Closed
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	p := b.places[instanceOf(at)]
	if p == nil {
		return Closed
	}
	now := b.now()
	return both(p.whole.state(now), p.models[model].state(now))
}

// both returns the state of two circuits of which each has to let a request pass.
func both(whole, model State) State {
	for _, s := range [...]State{Open, Probing, Due} {
		if whole == s || model == s {
			return s
		}
	}
	return Closed
}

// Pass is leave to send one request. Each has to be ended exactly once, by
// [Breaker.Succeeded], [Breaker.Failed] or [Breaker.Abandoned].
type Pass struct {
	at     instance
	model  string
	number uint64 // what changed later than this, the request knows nothing of

	wholeProbe, modelProbe uint64 // numbers of the probes that it is, or 0
}

// Probe reports whether the request is a probe.
func (p Pass) Probe() bool { return p.wholeProbe != 0 || p.modelProbe != 0 }

// Enter asks to send a request for a model to an instance. Where a probe is due
// the request becomes that probe; ok is false when it may not be sent.
func (b *Breaker) Enter(at fleet.Target, model string) (pass Pass, ok bool) {
	// The number comes first: an opening in between is then rightly one that
	// the request knows nothing of.
	pass = Pass{at: instanceOf(at), model: model, number: b.number.Load()}
	if (*b.open.Load())[at.HostID] == 0 {
		return pass, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.places[pass.at]
	if p == nil {
		return pass, true
	}
	now := b.now()
	whole, one := p.whole, p.models[model]
	pass.number = b.number.Load()
	switch both(whole.state(now), one.state(now)) {
	case Closed:
		return pass, true
	case Due:
		if whole.state(now) == Due {
			pass.wholeProbe = b.beginProbe(whole, now)
		}
		if one.state(now) == Due {
			pass.modelProbe = b.beginProbe(one, now)
		}
		pass.number = b.number.Load()
		return pass, true
	}
	return Pass{}, false
}

// Forget drops what is known of instances and models that are gone. gone is
// asked of every circuit, with an empty model for an instance as a whole; where
// that has gone, so have its models. It must not call the breaker.
func (b *Breaker) Forget(gone func(at fleet.Target, model string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, p := range b.places {
		target := fleet.Target{HostID: at.hostID, Instance: at.name}
		all := gone(target, "")
		p.each(func(model string, c *circuit) {
			if all || model != "" && gone(target, model) {
				b.drop(at, p, model, c)
			}
		})
		b.tidy(at, p)
	}
}

// Reset closes circuits, as if each had been probed and worked, and forgets what
// others have counted. which is asked of every circuit, with an empty model for
// an instance as a whole; it must not call the breaker. Reset returns how many
// were open.
func (b *Breaker) Reset(which func(at fleet.Target, model string) bool) (opened int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for at, p := range b.places {
		p.each(func(model string, c *circuit) {
			switch {
			case !which(fleet.Target{HostID: at.hostID, Instance: at.name}, model):
			case c.open:
				opened++
				b.close(at, c, now)
				c.level = 0
			default:
				b.drop(at, p, model, c)
			}
		})
		b.tidy(at, p)
	}
	return opened
}

// drop removes a circuit from its place. The caller holds mu.
func (b *Breaker) drop(at instance, p *place, model string, c *circuit) {
	if c.open {
		b.countOpen(at, -1)
	}
	if model == "" {
		p.whole = nil
	} else {
		delete(p.models, model)
	}
}

// countOpen notes that so many more of a host's circuits are open. The caller
// holds mu.
func (b *Breaker) countOpen(at instance, more int) {
	open := maps.Clone(*b.open.Load())
	if open[at.hostID] += more; open[at.hostID] == 0 {
		delete(open, at.hostID)
	}
	b.open.Store(&open)
}

// tidy forgets a place of which nothing is remembered. The caller holds mu.
func (b *Breaker) tidy(at instance, p *place) {
	if p.whole == nil && len(p.models) == 0 {
		delete(b.places, at)
		b.known.Store(int64(len(b.places)))
	}
}

// each calls f for every circuit; the model of the instance's own is empty. f
// may drop it.
func (p *place) each(f func(model string, c *circuit)) {
	if p.whole != nil {
		f("", p.whole)
	}
	for model, c := range p.models {
		f(model, c)
	}
}
