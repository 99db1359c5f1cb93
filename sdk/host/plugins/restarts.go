package plugins

import (
	"math/rand/v2"
	"time"
)

// restarts decides when a plugin whose process has ended is started again. It is
// never given up.
type restarts struct {
	times    times
	maxExits int
	exits    []time.Time // within the window
	inARow   int
	jitter   func(bound time.Duration) time.Duration
}

func newRestarts(t times, maxExits int) restarts {
	return restarts{times: t, maxExits: maxExits, jitter: rand.N[time.Duration]}
}

// steady is how long a process has to run for its end to count as the first.
const steady = time.Minute

// exited returns how long to wait after a process that ran so long has ended, and
// whether that happens too often.
func (r *restarts) exited(now time.Time, ran time.Duration) (wait time.Duration, failed bool) {
	if ran >= steady {
		r.inARow = 0
	}
	kept := r.exits[:0]
	for _, at := range append(r.exits, now) {
		if now.Sub(at) < r.times.exitWindow {
			kept = append(kept, at)
		}
	}
	r.exits = kept
	if len(r.exits) >= r.maxExits {
		return r.times.failedPause, true
	}
	bound := min(r.times.maxBackoff, r.times.firstBackoff<<min(r.inARow, 16))
	r.inARow++
	return r.jitter(bound), false
}

// forget has what was not count any more, since another program is run.
func (r *restarts) forget() { r.exits, r.inARow = nil, 0 }
