package fleet

import (
	"sync"
	"time"
)

// Place is where a call stands in the line for its model. The zero value is that
// of a call which has not had to wait. Whoever makes a call may give it a place
// and look at it at any time; its methods may be called concurrently.
type Place struct {
	mu       sync.Mutex
	position func() int // while it waits
	came     int
	waited   time.Duration
}

// Wait says that the call waits, and how to find its position: 1 is the next.
func (p *Place) Wait(position func() int) {
	came := position()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position = position
	p.came = max(came, 1)
}

// Leave says that the call waits no more, and how long it has.
func (p *Place) Leave(waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position, p.waited = nil, waited
}

// Position returns how many calls will be let in up to and with this one, and 0
// for one that does not wait.
func (p *Place) Position() int {
	p.mu.Lock()
	position := p.position
	p.mu.Unlock()
	if position == nil {
		return 0
	}
	return position()
}

// Waited returns at which position the call came into the line, and how long it
// stood there. The position is 0 for a call that never waited, and the time is 0
// until it has left.
func (p *Place) Waited() (came int, waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.came, p.waited
}
