package router

import (
	"cmp"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
)

// Breakers returns the breakers that have anything to remember, closed ones
// too, ordered by host, instance and model.
func (r *Router) Breakers() []fleet.Breaker {
	circuits := r.guard.Breakers.Snapshot()
	all := make([]fleet.Breaker, 0, len(circuits))
	for i := range circuits {
		all = append(all, r.shown(&circuits[i]))
	}
	slices.SortStableFunc(all, func(x, y fleet.Breaker) int { return cmp.Compare(x.Host, y.Host) })
	return all
}

func (r *Router) shown(c *breaker.Circuit) fleet.Breaker {
	b := fleet.Breaker{
		HostID: c.HostID, Host: c.HostID, Instance: c.Instance, Model: c.Model, Since: c.Since,
		FailuresInARow: c.FailuresInARow, Failures: c.Failures, Successes: c.Successes,
		LastKind: c.LastKind.String(), LastError: c.LastError, LastErrorAt: c.LastErrorAt, NextProbeAt: c.NextProbeAt,
	}
	if host, err := r.view.Find(c.HostID); err == nil { // it may have been removed a moment ago
		b.Host = host.Name
	}
	switch c.State {
	case breaker.Closed:
		b.State = fleet.BreakerClosed
	case breaker.Open:
		b.State = fleet.BreakerOpen
	case breaker.Due, breaker.Probing:
		b.State = fleet.BreakerHalfOpen
	}
	return b
}

// ResetBreakers closes breakers and forgets what they counted. It returns how
// many were not closed.
func (r *Router) ResetBreakers(which fleet.BreakerFilter) int {
	return r.guard.Breakers.Reset(func(at fleet.Target, model string) bool {
		return (which.HostID == "" || which.HostID == at.HostID) &&
			(which.Instance == "" || which.Instance == at.Instance) &&
			(which.Model == "" || model != "" && fleet.SameModel(which.Model, model))
	})
}
