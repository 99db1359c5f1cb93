package models

import (
	"context"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
)

// run is what is being done at a place, or has failed there. Its fields belong to s.mu.
type run struct {
	under    bool // it is being done
	failures int
	breaks   int // how often something broke down at it
	notUntil time.Time
	stuck    bool                    // to try again would not help; somebody has to say so
	lacked   bool                    // what the model is based on was not there when it failed
	with     software                // with which it got stuck: another one is a reason to try again
	session  time.Time               // of the host when it failed: a new one is a reason to try again
	stop     context.CancelCauseFunc // ends a load that is under way; nil where there is none
	job      *operations.Job
}

// reset has what failed be tried at once.
func (r *run) reset() {
	r.failures, r.breaks, r.notUntil, r.stuck, r.lacked, r.with = 0, 0, time.Time{}, false, false, software{}
}

// resume has what failed be tried at once, and not for the first time: a host that is back
// may have gone for what it was doing.
func (r *run) resume() { r.failures, r.notUntil = 0, time.Time{} }

// software is what a host does its work with. The zero value is none.
type software struct {
	ollama, agent string // versions
	boot          string // the id of the host's start
}

// task is something that is to be done at a place.
type task struct {
	at        place
	placement fleet.Placement
	model     fleet.StoredModel
	host      fleet.HostView
	version   string // of the instance's Ollama
	job       *operations.Job

	// What the host lacks for it to be begun; both are empty where it lacks nothing.
	reason fleet.WaitReason
	lacks  string
}

func (t *task) target() fleet.Target {
	return fleet.Target{HostID: t.at.hostID, Host: t.host.Name, Instance: t.at.instance}
}

func (t *task) software() software {
	return software{t.version, t.host.Facts.AgentVersion, t.host.Facts.BootID}
}

// due returns what is to be done now, which counts as being done from here on, and after
// how long something else will be. The rest has operations that say what it waits for.
func (s *Service) due(hosts map[string]*fleet.HostView) (tasks []*task, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	busy := s.busy()
	whole := now.Sub(s.surveyed) >= look
	if whole {
		s.surveyed = now
	}
	next = look
	var ready []claim
	for id, h := range s.hosted {
		if whole {
			h.outlook = outlook{}
		}
		s.survey(h, hosts[id], now)
		if _, is := busy[id]; h.first != nil && !is {
			ready = append(ready, *h.first)
		}
		if !h.until.IsZero() {
			next = min(next, h.until.Sub(now))
		}
	}
	slices.SortFunc(ready, inOrder)
	for _, c := range ready[:min(len(ready), max(0, maxAtOnce-len(busy)))] {
		t := s.taskAt(c.place, s.placed[c.place], hosts[c.hostID], stock{})
		if t == nil || t.reason != "" { // it is otherwise since
			s.touchHost(c.hostID)
			continue
		}
		r := s.runAt(c.place)
		s.expect(t, r)
		r.under, busy[c.hostID] = true, c.place
		t.job = r.job
		tasks = append(tasks, t)
	}
	for id, h := range s.hosted {
		s.tellHost(id, h, hosts[id], busy, now)
	}
	if whole {
		s.dismissElsewhere()
	}
	return tasks, next
}

// taskAt returns what is to be done at a place, nil for nothing. s.mu is held.
func (s *Service) taskAt(at place, p fleet.Placement, h *fleet.HostView, has stock) *task {
	if h == nil {
		return nil
	}
	m, stored := s.models[at.model]
	if p.Wanted && (!stored || len(m.Files) == 0 || m.Loader == "" || !m.DeletedAt.IsZero()) {
		return nil
	}
	t := &task{at: at, placement: p, model: m, host: *h}
	ours := p.Wanted && m.Is(p.Digest)
	if !h.State.Reachable() {
		if ours && !s.awaits(at) { // as far as anybody knows it is there
			return nil
		}
		t.reason, t.lacks = fleet.WaitsForHost, "the host is "+string(h.State)
		return t
	}
	in := instanceNamed(h, at.instance)
	if in == nil || !in.Serves() || !in.ModelsKnown {
		if ours && !s.awaits(at) {
			return nil
		}
		t.reason, t.lacks = fleet.WaitsForOllama, "the host's Ollama is not ready"
		return t
	}
	if there := has.find(in, at.model); ours && there != nil && there.Digest == p.Digest {
		return nil
	}
	t.version = in.Version
	if base := s.baseAt(at); p.Wanted && s.arrives(base, h) {
		t.reason, t.lacks = fleet.WaitsForBase, "it is based on "+s.models[base.model].Name+", which comes first"
	}
	return t
}
