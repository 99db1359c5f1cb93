package xid

import (
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// near is how far apart one fault is told by the log and by the library, and by
// the log for each unit of a card that it hit.
const near = time.Second

// remembered is how many events are compared with a new one.
const remembered = 64

// Seen tells one fault once, whoever reports it, and how often. The zero value
// is ready. It is used by one goroutine at a time.
type Seen struct {
	events [remembered]seen
	next   int
}

type seen struct {
	address  string
	code     uint32
	from, to time.Time
}

// First reports whether an event is the first of its kind at its card within a
// second. It happened at its time, or at most that much earlier.
func (s *Seen) First(e *gpu.Event, earlier time.Duration) bool {
	code := e.Xid.V
	if !e.Xid.Known {
		code = fellOff
	}
	from, to := e.At.Add(-earlier-near), e.At.Add(near)
	for i := range s.events {
		old := &s.events[i]
		if old.address == e.Address && old.code == code && !old.to.IsZero() &&
			!e.At.Before(old.from) && !e.At.Add(-earlier).After(old.to) {
			return false
		}
	}
	s.events[s.next] = seen{address: e.Address, code: code, from: from, to: to}
	s.next = (s.next + 1) % remembered
	return true
}
