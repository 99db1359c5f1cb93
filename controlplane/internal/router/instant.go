package router

import "time"

// instant is a time in nanoseconds, which a pick compares for every instance
// that it looks at: a third of a time.Time, and compared in one step. The zero
// value is never.
type instant time.Duration

const never instant = 0

// memory is how long before a router began what it hears of may have been.
const memory = 24 * time.Hour

// instant returns a time as the router counts it: by the clock that nobody sets.
func (r *Router) instant(t time.Time) instant { return instant(t.Sub(r.began) + memory) }

func (i instant) seconds() float64 { return time.Duration(i).Seconds() }
