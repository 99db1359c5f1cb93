package ollama

import (
	"sync"
	"sync/atomic"
	"time"
)

// Progress is told by the relay what real requests produce. Its methods may be
// called concurrently.
type Progress struct {
	mu        sync.Mutex
	live      []*Generation
	idleSince time.Time
	lastAny   time.Time // when any generation was last seen to move or to succeed
	pool      sync.Pool
}

// Generation is one request that is being answered.
type Generation struct {
	moved atomic.Bool // since the watcher last looked

	of    *Progress
	index int       // in live
	begun time.Time // of the request, or of the wait that was last told of
	last  time.Time // when it was last seen to move; zero before the first byte
}

func newProgress(now time.Time) *Progress {
	return &Progress{
		idleSince: now,
		pool:      sync.Pool{New: func() any { return new(Generation) }},
	}
}

// Begin says that a request goes to Ollama. The caller must end what it returns.
func (p *Progress) Begin() *Generation {
	g := p.pool.Get().(*Generation)
	g.moved.Store(false)
	g.of, g.begun, g.last = p, time.Now(), time.Time{}
	p.mu.Lock()
	g.index = len(p.live)
	p.live = append(p.live, g)
	p.mu.Unlock()
	return g
}

// Advance says that Ollama sent a piece of the answer. It is one store, made to
// be called for every piece.
func (g *Generation) Advance() { g.moved.Store(true) }

// End says that the answer has ended, or that nobody waits for it any more. ok
// means that it ended as it should. The generation must not be used afterwards.
func (g *Generation) End(ok bool) {
	p := g.of
	now := time.Now()
	p.mu.Lock()
	last := len(p.live) - 1
	p.live[g.index] = p.live[last]
	p.live[g.index].index = g.index
	p.live[last] = nil
	p.live = p.live[:last]
	if last == 0 {
		p.idleSince = now
	}
	if ok {
		p.lastAny = now
	}
	p.mu.Unlock()
	g.of = nil
	p.pool.Put(g)
}

// inFlight returns how many requests are being answered.
func (p *Progress) inFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

// idle returns for how long there has been no request.
func (p *Progress) idle(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.live) > 0 {
		return 0
	}
	return now.Sub(p.idleSince)
}

// progressed returns when a generation was last seen to move or to succeed.
func (p *Progress) progressed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastAny
}

// stall is what the watcher found.
type stall struct {
	quiet time.Duration // of the generation that has been quiet for longest
	first bool          // it has not produced anything yet
}

// stalled notes what has moved since the last call and returns the worst
// generation that is over its budget, if there is one. freshLoad is when a
// model last came into memory: whoever waited for it starts to wait anew.
func (p *Progress) stalled(now, freshLoad time.Time, budgets Stalls) (worst stall, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.live {
		if g.moved.Swap(false) {
			g.last, p.lastAny = now, now
		}
	}
	for _, g := range p.live {
		s := stall{quiet: now.Sub(g.last)}
		budget := budgets.Token
		if g.last.IsZero() {
			budget = budgets.FirstToken
			s = stall{quiet: now.Sub(g.begun), first: true}
			if s.quiet < budgets.Load {
				s.quiet = min(s.quiet, now.Sub(p.lastAny), now.Sub(freshLoad))
			}
		}
		if s.quiet > budget && s.quiet > worst.quiet {
			worst, ok = s, true
		}
	}
	return worst, ok
}

// forgive has every generation begin to wait anew, after something was done
// about a stall: one that outlasts it will be found again.
func (p *Progress) forgive(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.live {
		g.begun = now
		if !g.last.IsZero() {
			g.last = now
		}
	}
}

// waits reports whether a generation without a first byte is younger than the
// time that a load may take, so that a load excuses it.
func (p *Progress) waits(now time.Time, budgets Stalls) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.live {
		if g.last.IsZero() && now.Sub(g.begun) < budgets.Load {
			return true
		}
	}
	return false
}
