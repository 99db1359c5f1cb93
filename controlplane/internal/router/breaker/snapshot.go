package breaker

import (
	"cmp"
	"slices"
	"time"
)

// Circuit is what is known of an instance, or of one model on it, that has
// failed lately.
type Circuit struct {
	HostID   string `json:"host_id"`
	Instance string `json:"instance"`
	Model    string `json:"model,omitempty"` // empty for the instance as a whole

	State State     `json:"state"`
	Since time.Time `json:"since"` // it is open or closed; of the first failure where it never opened

	FailuresInARow int `json:"failures_in_a_row"`
	Failures       int `json:"failures"`  // within the window
	Successes      int `json:"successes"` // within the window

	LastKind    Kind      `json:"last_kind"`
	LastError   string    `json:"last_error"`
	LastErrorAt time.Time `json:"last_error_at"`
	NextProbeAt time.Time `json:"next_probe_at,omitzero"` // while it is open
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
