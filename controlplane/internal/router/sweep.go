package router

import (
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// sweepEvery is how long what was learned of a host outlives the host.
const sweepEvery = time.Minute

// maxModels is how many models something is remembered of; those that were not
// asked for longest are forgotten.
const maxModels = 2048

// sweep forgets what was learned of hosts that are no more.
func (r *Router) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now.Sub(r.swept) < sweepEvery {
		return
	}
	r.swept = now
	for number, s := range r.seats.all {
		if s.report == nil || s.inFlight > 0 {
			continue
		}
		if _, err := r.view.Find(s.report.Target.HostID); fault.KindOf(err) == fault.NotFound {
			*s = seat{}
			for _, m := range r.models {
				if known := m.runner(number); known != nil {
					*known = runner{}
				}
			}
		}
	}
	r.sweepModels()
}

func (r *Router) sweepModels() {
	for len(r.models) > maxModels {
		oldest := ""
		for digest, m := range r.models {
			if !m.busy() && (oldest == "" || m.turn < r.models[oldest].turn) {
				oldest = digest
			}
		}
		if oldest == "" {
			return
		}
		delete(r.models, oldest)
	}
}

func (m *modelState) busy() bool {
	for _, r := range m.runners.all {
		if r.inFlight > 0 {
			return true
		}
	}
	return false
}
