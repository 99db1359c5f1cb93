package queue

import (
	"context"
	"sync"
	"time"
)

// DefaultMaxWaiting is the bound of a line where the options name none: twice as
// many as a single Ollama lets wait.
const DefaultMaxWaiting = 1024

// Options are what a queue is made with.
type Options struct {
	MaxWaiting int // requests for one model; 0 is DefaultMaxWaiting
	// MaxWaitingPerKey is how many of these may be of one key. With 0 it is twice
	// as many as there is still room for: a key that is alone gets two thirds of
	// the line, and there is always room for one that comes anew.
	MaxWaitingPerKey int
	Now              func() time.Time // the clock
}

// Queue holds the lines of all models. Its methods may be called concurrently.
type Queue struct {
	maxPerKey int
	now       func() time.Time
	open      chan struct{} // closed: the Ready of whoever need not wait

	mu         sync.Mutex
	maxWaiting int
	lines      map[string]*line
	sweep      int // as many lines as this are looked through for ones that can go
}

// New returns a queue in which no model's capacity is known yet.
func New(o Options) *Queue {
	q := &Queue{
		maxWaiting: o.MaxWaiting, maxPerKey: o.MaxWaitingPerKey, now: o.Now,
		open: make(chan struct{}), lines: map[string]*line{}, sweep: minSweep,
	}
	if q.maxWaiting == 0 {
		q.maxWaiting = DefaultMaxWaiting
	}
	close(q.open)
	return q
}

// SetMaxWaiting changes how many requests may wait for one model. Those that do
// already are not sent away.
func (q *Queue) SetMaxWaiting(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.maxWaiting = n
}

// Unknown is the capacity of a model of which nothing has been said. Nobody
// waits for such a model.
const Unknown = -1

// SetCapacity says how many requests for a model its hosts serve at once. With
// 0 all wait; with [Unknown] none does. Less than are in service just now means
// that so many more must leave before another is let in.
func (q *Queue) SetCapacity(model string, places int) {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[model]
	if l == nil {
		if places < 0 {
			return
		}
		l = q.line(model)
	}
	l.capacity = max(places, Unknown)
	l.admit(now)
}

// Request is what wants to be served.
type Request struct {
	Model    string // whatever tells one from the other
	Name     string // of the model, for sentences; empty is Model
	KeyID    string // whose share it comes out of; all without a key share one
	Priority int    // of the key, see [fleet.Key]; what is out of range counts as the nearest
	// Cost is what serving it is expected to cost, in one unit for all requests
	// of the model, such as tokens or seconds. What is not above 0 is unknown and
	// counts as the mean of the model's requests.
	Cost float64
}

// Enter takes a place in service if one is free and in the line if not, and
// returns without waiting; see [Ticket.Ready]. The place in the line is given up
// when ctx ends. A line that is full is fault.Unavailable, and a key that has as
// many waiting as it may is fault.RateLimited, both with the time after which a
// place may be free. A context that has ended already is that context's error.
func (q *Queue) Enter(ctx context.Context, r Request) (*Ticket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := &Ticket{queue: q}
	waits, err := q.enter(t, r)
	if err != nil {
		return nil, err
	}
	if waits {
		t.stop = context.AfterFunc(ctx, t.desert)
	}
	return t, nil
}

// enter is Enter under the lock.
func (q *Queue) enter(t *Ticket, r Request) (waits bool, err error) {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[r.Model]
	if l == nil {
		l = q.line(r.Model)
	}
	waits = !l.free()
	if waits {
		if err := q.refusal(l, &r); err != nil {
			return false, err
		}
	}
	t.line, t.flow, t.entered, t.cost = l, l.level(r.Priority).flow(r.KeyID), now, l.costOf(r.Cost)
	if waits {
		t.ready = make(chan struct{})
		l.push(t)
	} else {
		t.ready = q.open
		l.begin(t.flow)
		l.charge(t, now)
	}
	return waits, nil
}

// minSweep is how many lines, or keys of one, may lie around unused.
const minSweep = 64

// line adds a line. The caller holds the lock.
func (q *Queue) line(model string) *line {
	if len(q.lines) >= q.sweep {
		for name, l := range q.lines {
			if l.serving == 0 && l.waiting == 0 && l.capacity < 0 {
				delete(q.lines, name)
			}
		}
		q.sweep = minSweep + 2*len(q.lines)
	}
	l := newLine()
	q.lines[model] = l
	return l
}

// State is what one model's line looks like.
type State struct {
	Model            string
	Capacity         int // or Unknown
	Serving, Waiting int
}

// States appends the state of every line that has a capacity or a request to
// dst, in no order.
func (q *Queue) States(dst []State) []State {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, l := range q.lines {
		if l.capacity >= 0 || l.serving > 0 || l.waiting > 0 {
			dst = append(dst, State{Model: name, Capacity: l.capacity, Serving: l.serving, Waiting: l.waiting})
		}
	}
	return dst
}
