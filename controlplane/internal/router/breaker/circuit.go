package breaker

import "time"

// circuit is the memory of one instance, or of one model on it.
type circuit struct {
	open    bool
	since   time.Time // of the last opening or closing; of the first failure before that
	changed uint64    // number of the last opening or closing; requests with a lower one are of before

	run    int // failures in a row
	recent window

	kind     Kind // of the last failure, as the next two
	message  string
	failedAt time.Time

	level   int       // how often the pause has doubled
	retryAt time.Time // when a probe is due, while open

	probe      uint64    // number of the probe under way, 0 without one
	probeUntil time.Time // then it counts as lost
}

// state returns what the circuit would do with a request now.
func (c *circuit) state(now time.Time) State {
	switch {
	case c == nil || !c.open:
		return Closed
	case c.probe != 0 && now.Before(c.probeUntil):
		return Probing
	case now.Before(c.retryAt):
		return Open
	}
	return Due
}

// note keeps a failure for those who ask what happened.
func (c *circuit) note(kind Kind, message string, now time.Time) {
	c.kind, c.message, c.failedAt = kind, message, now
}

// trips reports whether the failures are enough to open it.
func (c *circuit) trips(t Thresholds, slot int64) bool {
	if t.Run > 0 && c.run >= t.Run {
		return true
	}
	if t.Among == 0 {
		return false
	}
	sum := c.recent.sum(slot)
	all := sum.failed + sum.succeeded
	return all >= t.Among && float64(sum.failed) >= t.Share*float64(all)
}

// stale reports whether nothing is left to be remembered of it at a slot: no
// failure, and no closing that is younger than a window, after which it would
// open for longer.
func (c *circuit) stale(slot int64, now time.Time, window time.Duration) bool {
	return !c.open && c.recent.sum(slot).failed == 0 && (c.changed == 0 || now.Sub(c.since) > window)
}
