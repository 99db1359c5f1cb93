package queue

import (
	"cmp"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// The bounds of the advice to come back later.
const (
	minAdvice = time.Second
	maxAdvice = time.Minute
)

// refusal returns why a request can't wait in a line, or nil.
func (q *Queue) refusal(l *line, r *Request) error {
	name := cmp.Or(r.Name, r.Model)
	if l.waiting >= q.maxWaiting {
		return fault.New(fault.Unavailable, "%d requests are waiting for model %q already, and no more can; try again later",
			l.waiting, name).After(l.advice(l.waiting))
	}
	if own := l.waitingOf(r.KeyID); own >= q.mostOf(l) {
		return fault.New(fault.RateLimited, "%d requests of this key are waiting for model %q already, and no more can; wait for one of them",
			own, name).On(fault.Caller).After(l.advice(own))
	}
	return nil
}

// mostOf returns how many requests in a line may be of one key.
func (q *Queue) mostOf(l *line) int {
	if q.maxPerKey > 0 {
		return q.maxPerKey
	}
	return 2 * (q.maxWaiting - l.waiting)
}

// advice returns when it is worth to come back to a line in which so many wait:
// once about half of them will have been served.
func (l *line) advice(waiting int) time.Duration {
	wait, known := l.expected(waiting/2 + 1)
	if !known {
		return minAdvice
	}
	return min(max(wait, minAdvice), maxAdvice)
}
