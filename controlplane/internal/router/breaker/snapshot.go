package breaker

import (
	"cmp"
	"slices"
	"time"
)

// Circuit is what is known of an instance, or of one model on it, that has
// failed lately.
type Circuit struct {
	HostID   string
	Instance string
	Model    string // empty for the instance as a whole

	State State
	Since time.Time // it is open or closed; of the first failure where it never opened

	FailuresInARow int
	Failures       int // within the window
	Successes      int // within the window

	LastKind    Kind
	LastError   string
	LastErrorAt time.Time
	NextProbeAt time.Time // while it is open
}

// Snapshot returns every circuit that has anything to remember, closed ones
// too, ordered by host, instance and model.
func (b *Breaker) Snapshot() []Circuit {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	all := []Circuit{}
	for at, p := range b.places {
		p.each(func(model string, c *circuit) {
			if b.stale(c, now) {
				b.drop(at, p, model, c)
				return
			}
			shown := Circuit{
				HostID: at.hostID, Instance: at.name, Model: model, State: c.state(now), Since: c.since,
				FailuresInARow: c.run, LastKind: c.kind, LastError: c.message, LastErrorAt: c.failedAt,
			}
			sum := c.recent.sum(b.slot(now))
			shown.Failures, shown.Successes = sum.failed, sum.succeeded
			if c.open {
				shown.NextProbeAt = c.retryAt
			}
			all = append(all, shown)
		})
		b.tidy(at, p)
	}
	slices.SortFunc(all, func(x, y Circuit) int {
		return cmp.Or(cmp.Compare(x.HostID, y.HostID), cmp.Compare(x.Instance, y.Instance), cmp.Compare(x.Model, y.Model))
	})
	return all
}
