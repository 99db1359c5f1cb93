package queue

import "time"

// state is where a ticket's request is.
type state uint8

const (
	waiting state = iota
	serving
	gone
)

// Ticket is a request's place in the line, and then in service. Each must be
// ended by [Ticket.Leave]. Its methods may be called concurrently.
type Ticket struct {
	queue *Queue
	line  *line
	flow  *flow
	ready chan struct{}
	stop  func() bool // no longer watches for the caller's leaving; nil where nothing did

	// The rest is under the queue's lock.
	state      state
	cost       float64 // expected
	entered    time.Time
	begun      time.Time
	prev, next *Ticket // of the flow, while it waits
}

// Ready returns a channel that is closed when the request is let into service.
// It stays open for a request whose caller left the line before that, so wait
// for the context's end beside it.
func (t *Ticket) Ready() <-chan struct{} { return t.ready }

// Leave ends a request's time in the line or in service, and lets the next one
// in. actualCost is what serving it has cost, in the unit of [Request.Cost], and
// corrects the key's share; what is not a number of at least 0 is unknown, and
// the expected cost stands. It counts for a request that was let in; only the
// first call does anything.
func (t *Ticket) Leave(actualCost float64) {
	if t.stop != nil {
		t.stop()
	}
	now := t.queue.now()
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	switch t.state {
	case waiting:
		t.line.remove(t)
	case serving:
		t.line.settle(t, actualCost, now)
		t.line.admit(now)
	}
	t.state = gone
}

// desert gives up the place in the line of a caller that left.
func (t *Ticket) desert() {
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	if t.state == waiting {
		t.line.remove(t)
		t.state = gone
	}
}

// Waited returns how long the request was in the line, up to now while it still
// is there, and whether it had to wait at all.
func (t *Ticket) Waited() (time.Duration, bool) {
	now := t.queue.now()
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	switch {
	case t.ready == t.queue.open:
		return 0, false
	case t.begun.IsZero():
		return now.Sub(t.entered), true
	}
	return max(0, t.begun.Sub(t.entered)), true
}

// Position returns how many requests will be let in up to and with this one if
// no other comes: 1 is the next. It is exact among requests of one priority and
// a good guess across priorities. 0 is a request that does not wait. It costs
// time in proportion to the requests that are before this one.
func (t *Ticket) Position() int {
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	if t.state != waiting {
		return 0
	}
	return t.line.position(t)
}

// Expected returns how long the request will probably still wait, and false
// while nothing is known from which to tell: before the first request for the
// model has ended, or without a place to serve one.
func (t *Ticket) Expected() (time.Duration, bool) {
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	if t.state != waiting {
		return 0, t.state == serving
	}
	return t.line.expected(t.line.position(t))
}
