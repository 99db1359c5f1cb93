package router

import "time"

// Uses returns when the model of a digest was last at work for a request of ours, by the
// ids of the hosts: now, where it is. That is known at once, and of hosts that were asked
// since the router began.
func (r *Router) Uses(digest string) map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.models[digest]
	if m == nil {
		return nil
	}
	uses := map[string]time.Time{}
	for number, runs := range m.runners.all {
		s := r.seats.at(number)
		if !runs.used || s == nil || s.report == nil {
			continue
		}
		var at time.Time
		switch {
		case runs.inFlight > 0:
			at = r.now()
		case runs.usedAt != never:
			at = r.began.Add(time.Duration(runs.usedAt) - memory)
		}
		if host := s.report.Target.HostID; at.After(uses[host]) {
			uses[host] = at
		}
	}
	return uses
}
