package agentlink

import (
	"sync"
	"time"
)

const (
	// enough is how much may wait for one courier before another one helps, and usual
	// is how many there are when nobody has to be waited for long.
	enough, usual = 64, 256
	// stuckAfter is in what time something should have been done. A machine that has no
	// time for us is not a reason to be more.
	stuckAfter = time.Second
)

// couriers do what may have to wait for an agent, such as sending to it: those who
// receive, and those who keep the time, must not. There are as few as can do it, a
// thousand agents' heartbeats by one of them. Where all of them wait for agents that
// don't read, there are more.
type couriers struct {
	mu      sync.Mutex
	waiting []func()
	next    int // of them
	working int
	running sync.WaitGroup
	done    uint64 // errands, ever
	seen    uint64 // of those, when they were minded last
	minded  time.Time
}

// hand has something done soon.
func (c *couriers) hand(errand func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == cap(c.waiting) && c.next > len(c.waiting)/2 { // there is room where they were
		c.waiting = append(c.waiting[:0], c.waiting[c.next:]...)
		c.next = 0
	}
	c.waiting = append(c.waiting, errand)
	if c.working == 0 || len(c.waiting)-c.next > enough*c.working && c.working < usual {
		c.more()
	}
}

// mind is called now and then. Where nothing was done for a while, all wait for
// somebody, and there are four times as many from then on.
func (c *couriers) mind(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.minded) < stuckAfter {
		return
	}
	if c.done == c.seen {
		for range min(3*c.working, len(c.waiting)-c.next) {
			c.more()
		}
	}
	c.seen, c.minded = c.done, now
}

// more has one more work. The caller holds the lock.
func (c *couriers) more() {
	c.working++
	c.running.Go(c.work)
}

// work does what waits until nothing does.
func (c *couriers) work() {
	for errand := c.take(); errand != nil; errand = c.take() {
		errand()
		c.mu.Lock()
		c.done++
		c.mu.Unlock()
	}
}

// take returns what waits longest or, nil, that a courier may go.
func (c *couriers) take() (errand func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == len(c.waiting) {
		c.working--
		c.waiting, c.next = nil, 0
		return nil
	}
	errand, c.waiting[c.next] = c.waiting[c.next], nil
	c.next++
	return errand
}
