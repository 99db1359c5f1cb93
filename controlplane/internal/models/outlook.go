package models

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// outlook is what comes next on a host, and what was told of the rest. Most hosts of a large
// rollout wait for others, for hours: what they wait for is worked out anew where something
// is otherwise, and everywhere once in a while.
type outlook struct {
	surveyed bool
	first    *claim    // what may be begun; nil is nothing
	until    time.Time // when something is tried again; zero is never

	told bool
	with waiting
}

// waiting is what is so of all that waits on a host.
type waiting struct {
	under place // what is done there; the zero value is nothing
	full  bool  // other hosts are served
}

// survey finds out what comes next on a host. s.mu is held.
func (s *Service) survey(h *hosted, view *fleet.HostView, now time.Time) {
	s.compare(h, view)
	if h.surveyed && (h.until.IsZero() || now.Before(h.until)) {
		return
	}
	h.outlook = outlook{surveyed: true}
	has := stock{}
	for i := range h.due {
		at := h.due[i].place
		t := s.taskAt(at, s.placed[at], view, has)
		if t == nil { // something else has come of it since
			continue
		}
		r := s.runAt(at)
		switch {
		case t.reason != "":
		case r.lacked && !s.lacks(s.baseAt(at), &t.host), r.stuck && r.with != software{} && r.with != t.software():
			r.reset()
		case r.failures > 0 && !r.stuck && t.host.ConnectedAt.After(r.session):
			r.resume()
		}
		if r.stuck || r.under {
			continue
		}
		s.expect(t, r)
		switch {
		case t.reason != "":
		case now.Before(r.notUntil):
			if h.until.IsZero() || r.notUntil.Before(h.until) {
				h.until = r.notUntil
			}
		case h.first == nil:
			h.first = &h.due[i]
		}
	}
}

// tellHost has the operations of a host say what they wait for, where that is otherwise
// than it was, and ends those for which nothing is to be done any more. s.mu is held.
func (s *Service) tellHost(id string, h *hosted, view *fleet.HostView, busy map[string]place, now time.Time) {
	with := waiting{busy[id], len(busy) >= maxAtOnce}
	if h.told && (h.with == with || len(h.due) == 0) {
		return
	}
	h.told, h.with = true, with
	awaited := map[string]bool{}
	has := stock{}
	for i := range h.due {
		at := h.due[i].place
		t := s.taskAt(at, s.placed[at], view, has)
		r := s.runAt(at)
		if t == nil || r.stuck || r.job == nil {
			continue
		}
		awaited[r.job.ID()] = true
		switch reason, message := s.waitsFor(t, busy); {
		case r.under:
		case reason != "":
			r.job.Wait(reason, message)
		case now.Before(r.notUntil):
			r.job.Wait(fleet.WaitsForRetry, "")
		}
	}
	s.dismiss(id, awaited)
}
