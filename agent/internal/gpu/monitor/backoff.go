package monitor

import "time"

// backoff says how long to wait before a probe is started again: longer with each
// that failed in a row.
type backoff struct {
	least, most time.Duration
	failures    int
}

func (b *backoff) next() time.Duration {
	wait := b.most
	if b.failures < 16 {
		wait = min(b.most, b.least<<b.failures)
	}
	b.failures++
	return wait
}

func (b *backoff) reset() { b.failures = 0 }
