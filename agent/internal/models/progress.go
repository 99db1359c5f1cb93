package models

import (
	"sync"

	"github.com/corral-fleet/corral/sdk/wire/work"
)

// Progress is how far a job is. Its methods may be called concurrently, also on the
// zero value.
type Progress struct {
	mu   sync.Mutex
	now  work.Event
	base int64 // what was done before the step that counts now
}

// Now returns how far it is.
func (p *Progress) Now() work.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// enter begins a phase, with a sentence about it, which may be empty.
func (p *Progress) enter(phase work.Phase, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Phase, p.now.Message = phase, message
}

// expect says how many bytes there are in all.
func (p *Progress) expect(total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.TotalBytes = total
}

// step begins to count anew, on top of what is done.
func (p *Progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.base = p.now.DoneBytes
}

// reach says how many bytes of this step are done. It never goes back.
func (p *Progress) reach(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.DoneBytes = max(p.now.DoneBytes, p.base+done)
	p.clamp()
}

// add says that so many more are done.
func (p *Progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.DoneBytes += n
	p.clamp()
}

// clamp keeps what is done within what there is: a fallback begins anew.
func (p *Progress) clamp() {
	if p.now.TotalBytes > 0 {
		p.now.DoneBytes = min(p.now.DoneBytes, p.now.TotalBytes)
	}
}
