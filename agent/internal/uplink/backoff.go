package uplink

import (
	"math/rand/v2"
	"time"
)

// Reconnecting starts quickly, since most control planes that went are being
// restarted, and spreads out: after a restart every agent of the fleet comes
// back, and full jitter keeps them from coming together. None waits so long that
// it would not be back within ten seconds.
const (
	firstDelay = 500 * time.Millisecond
	longest    = 9 * time.Second
	// steady is how long a session has to last for the next failure to count as
	// the first.
	steady = time.Minute
	// refusedDelay is for refusals that only an operator can end.
	refusedDelay = 5 * time.Minute
)

// backoff counts failures in a row.
type backoff struct {
	failures int
}

// next returns how long to wait: a random time up to a bound that doubles with
// each failure.
func (b *backoff) next() time.Duration {
	bound := longest
	if b.failures < 10 {
		bound = min(longest, firstDelay<<b.failures)
	}
	b.failures++
	return rand.N(bound)
}

func (b *backoff) reset() { b.failures = 0 }
