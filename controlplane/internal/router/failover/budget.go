package failover

import (
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Limits say how often a request may be repeated, and how often requests may be.
type Limits struct {
	Further int // attempts beyond the first of one request; 0 never repeats

	Share  float64       // of the requests within Window that may be repeated, 0 to 1
	Floor  int           // repetitions within Window that are allowed in any case
	Window time.Duration // at least a second

	LeastTime time.Duration // no attempt is made with less than this left of the request's time
}

// Defaults returns limits that suit most fleets.
func Defaults() Limits {
	return Limits{Further: 2, Share: 0.2, Floor: 10, Window: 10 * time.Second, LeastTime: 500 * time.Millisecond}
}

// Validate returns a fault.Invalid that names what is impossible, or nil.
func (l Limits) Validate() error {
	switch {
	case l.Further < 0 || l.Floor < 0 || l.LeastTime < 0:
		return fault.New(fault.Invalid, "the limits for repeating requests cannot be negative")
	case l.Share < 0 || l.Share > 1:
		return fault.New(fault.Invalid, "the share of requests that may be repeated has to be from 0 to 1, not %v", l.Share)
	case l.Window < time.Second:
		return fault.New(fault.Invalid, "the window of the budget for repeating has to be a second or longer, not %v", l.Window)
	}
	return nil
}

// slots is into how many parts the window is cut.
const slots = 10

// Budget counts requests and repetitions in the recent past. Its methods may be
// called concurrently.
type Budget struct {
	now  func() time.Time
	born time.Time

	mu     sync.Mutex
	limits Limits
	newest int64 // the slot to which the latest count belongs
	counts [slots]count
}

type count struct {
	requests, repeats int
}

// NewBudget returns a budget without any requests yet.
func NewBudget(limits Limits, now func() time.Time) (*Budget, error) {
	if err := limits.Validate(); err != nil {
		return nil, err
	}
	return &Budget{now: now, born: now(), limits: limits}, nil
}

// Set changes the limits, for what comes from now on. With another window the
// count begins anew.
func (b *Budget) Set(limits Limits) error {
	if err := limits.Validate(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if limits.Window != b.limits.Window {
		b.newest, b.counts = 0, [slots]count{}
	}
	b.limits = limits
	return nil
}

// Arrived counts a request, once and whatever becomes of it.
func (b *Budget) Arrived() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	b.counts[b.newest%slots].requests++
}

// take counts a repetition if there is room for it.
func (b *Budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	var sum count
	for _, c := range b.counts {
		sum.requests += c.requests
		sum.repeats += c.repeats
	}
	allowed := max(b.limits.Floor, int(b.limits.Share*float64(sum.requests)))
	if sum.repeats >= allowed {
		return false
	}
	b.counts[b.newest%slots].repeats++
	return true
}

// turn forgets what is too old. The caller holds mu.
func (b *Budget) turn() {
	slot := int64(b.now().Sub(b.born) / (b.limits.Window / slots))
	for n := 0; b.newest < slot && n < slots; n++ {
		b.newest++
		b.counts[b.newest%slots] = count{}
	}
	b.newest = max(b.newest, slot)
}

func (b *Budget) current() Limits {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limits
}
