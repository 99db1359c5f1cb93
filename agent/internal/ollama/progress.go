package ollama

import (
	"slices"
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
	at atomic.Uint32 // one of the places below

	of    *Progress
	whole bool      // it is answered at its end, and until then nothing can be seen of it
	index int       // in live
	begun time.Time // of the request, or of the wait that was last told of
	last  time.Time // when it was last seen to move; zero before the first byte

	cut    func(error) // breaks the request off; nil where nobody can
	robbed bool        // its runner was killed, and it has not moved since
}

// Where a generation is: who is waited for, and what came since the watcher last
// looked.
const (
	atOllama  uint32 = iota // which has sent nothing
	moved                   // at Ollama, which has sent a piece
	atReader                // who was given a piece and has not taken it yet
	atAsker                 // whose question is still on its way to Ollama
	partAsked               // at Ollama, which has been given a part of the question
)

func newProgress(now time.Time) *Progress {
	return &Progress{
		idleSince: now,
		pool:      sync.Pool{New: func() any { return new(Generation) }},
	}
}

// Begin says that a request goes to Ollama. The caller must end what it returns.
func (p *Progress) Begin() *Generation { return p.begin(false) }

// BeginWhole is Begin for a request whose answer comes in one piece. That it
// takes long says nothing; only that nobody works on it does.
func (p *Progress) BeginWhole() *Generation { return p.begin(true) }

func (p *Progress) begin(whole bool) *Generation {
	g := p.pool.Get().(*Generation)
	g.at.Store(atOllama)
	g.of, g.whole, g.begun, g.last, g.cut, g.robbed = p, whole, time.Now(), time.Time{}, nil, false
	p.mu.Lock()
	g.index = len(p.live)
	p.live = append(p.live, g)
	p.mu.Unlock()
	return g
}

// OnLost has cut called, once and with the reason, when Ollama has lost the
// request. It must not block, and is not called after End.
func (g *Generation) OnLost(cut func(error)) {
	g.of.mu.Lock()
	g.cut = cut
	g.of.mu.Unlock()
}

// Advance says that Ollama sent a piece of the answer. It is one store, made to
// be called for every piece.
func (g *Generation) Advance() { g.at.Store(moved) }

// Deliver says that Ollama sent a piece, which its reader is now given. Until
// the next Advance it is the reader who is waited for: one that takes nothing
// holds up Ollama, and is no reason to restart it. It is one store as well.
func (g *Generation) Deliver() { g.at.Store(atReader) }

// Ask says that a part of the question is waited for, and Asked that it came:
// Ollama can't begin before it has all of it.
func (g *Generation) Ask() { g.at.Store(atAsker) }

// Asked is told of under [Generation.Ask].
func (g *Generation) Asked() { g.at.Store(partAsked) }

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
	g.of, g.cut = nil, nil
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
		if g.look(now) {
			p.lastAny = now
		}
	}
	for _, g := range p.live {
		if g.whole {
			continue
		}
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

// look notes where the generation is, and reports whether it has moved.
func (g *Generation) look(now time.Time) bool {
	switch at := g.at.Load(); at {
	case moved, atReader:
		g.last, g.robbed = now, false
		if at == moved {
			g.at.CompareAndSwap(moved, atOllama) // unless it is elsewhere already
		}
		return true
	case atAsker, partAsked:
		g.begun = now
		if at == partAsked {
			g.at.CompareAndSwap(partAsked, atOllama)
		}
	}
	return false
}

// waiting returns for how long Ollama has been waited for without anything
// having moved; 0 where it is not waited for. It goes by what [Progress.stalled]
// noted last.
func (p *Progress) waiting(now, freshLoad time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var longest time.Duration
	for _, g := range p.live {
		since := g.begun
		if g.last.After(since) {
			since = g.last
		}
		longest = max(longest, now.Sub(since))
	}
	return min(longest, now.Sub(p.lastAny), now.Sub(freshLoad))
}

// rob notes that every runner was killed. Ollama fails most of the requests that
// waited for one, and leaves some of them without an end.
func (p *Progress) rob() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.live {
		g.at.CompareAndSwap(moved, atOllama) // that was before
		g.robbed = true
	}
}

// anyRobbed reports whether a request has waited since its runner was killed.
func (p *Progress) anyRobbed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.live, func(g *Generation) bool { return g.robbed })
}

// cutRobbed breaks off the requests that have waited since their runner was
// killed, and returns how many.
func (p *Progress) cutRobbed(reason error) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, g := range p.live {
		if g.robbed && g.cut != nil {
			g.cut(reason)
			g.cut = nil
			n++
		}
		g.robbed = false
	}
	return n
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
		if !g.whole && g.last.IsZero() && now.Sub(g.begun) < budgets.Load {
			return true
		}
	}
	return false
}
