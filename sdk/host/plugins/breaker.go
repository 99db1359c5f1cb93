package plugins

import (
	"sync"
	"time"
)

// Breaker is whether calls are let through.
type Breaker string

// The states of a breaker.
const (
	Closed  Breaker = "closed"  // calls are let through
	Open    Breaker = "open"    // they are refused for a while
	Probing Breaker = "probing" // one is let through, to see
)

// When a breaker opens: half of at least so many calls in this time have failed.
const (
	breakerWindow  = 30 * time.Second
	breakerMinimum = 20
	firstPause     = 15 * time.Second
	longestPause   = 5 * time.Minute
)

// breaker refuses calls while most of them would fail anyway.
type breaker struct {
	mu      sync.Mutex
	state   Breaker // "" is closed
	slots   [6]slot // of the window, by time
	pause   time.Duration
	retryAt time.Time
	last    error // the last failure
}

// slot is what came in a part of the window.
type slot struct {
	number       int64
	all, failing int
}

const slotLength = breakerWindow / 6

// allow reports whether a call may be made, and else how long not and why. A call
// that is allowed has to be followed by done.
func (b *breaker) allow(now time.Time) (ok bool, wait time.Duration, last error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == Open && !now.Before(b.retryAt), b.state == Probing && !now.Before(b.retryAt):
		// A probe that was lost is followed by another one.
		b.state, b.retryAt = Probing, now.Add(b.pause)
		return true, 0, nil
	case b.state == Open, b.state == Probing:
		return false, b.retryAt.Sub(now), b.last
	}
	return true, 0, nil
}

// outcome is what a call says of what it called.
type outcome int

const (
	unclear outcome = iota // such as a call that was given up
	worked
	failed
)

// done notes how a call went, and reports whether the breaker has changed.
func (b *breaker) done(now time.Time, o outcome, err error) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o == failed {
		b.last = err
	}
	switch {
	case b.state == Probing && o == worked:
		b.closeLocked()
		return true
	case b.state == Probing && o == failed:
		b.openLocked(now)
		return true
	case b.state == Open, b.state == Probing, o == unclear:
		return false
	}
	number := now.UnixNano() / int64(slotLength)
	s := &b.slots[number%int64(len(b.slots))]
	if s.number != number {
		*s = slot{number: number}
	}
	s.all++
	if o == failed {
		s.failing++
	}
	var all, failing int
	for _, s := range b.slots {
		if s.number > number-int64(len(b.slots)) {
			all, failing = all+s.all, failing+s.failing
		}
	}
	if o == failed && all >= breakerMinimum && 2*failing >= all {
		b.openLocked(now)
		return true
	}
	return false
}

func (b *breaker) openLocked(now time.Time) {
	b.pause = min(longestPause, max(firstPause, 2*b.pause))
	b.state, b.retryAt, b.slots = Open, now.Add(b.pause), [6]slot{}
}

func (b *breaker) closeLocked() {
	b.state, b.pause, b.slots = "", 0, [6]slot{}
}

// reset closes the breaker: what it stood before is another one, or well again.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closeLocked()
}

func (b *breaker) now() Breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == "" {
		return Closed
	}
	return b.state
}
