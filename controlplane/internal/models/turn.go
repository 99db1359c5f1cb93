package models

import (
	"context"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
)

// expect sees to it that what is to be done at a place has an operation, from when it is
// wanted until it is done. s.mu is held.
func (s *Service) expect(t *task, r *run) {
	kind := fleet.DownloadOperation
	if !t.placement.Wanted {
		kind = fleet.DeleteOperation
	}
	if r.job != nil {
		if now := r.job.Now(); !now.State.Ended() && now.Kind == kind {
			return
		}
	}
	at, p := t.at, t.placement // without the rest of the task, which is large
	r.job = s.Operations.Begin(operations.What{
		Kind: kind, Model: shownName(t), HostID: at.hostID, Host: t.host.Name,
		Retry: func(ctx context.Context) (*operations.Job, error) { return s.retry(ctx, at, p) },
		Forgo: func(ctx context.Context) error { return s.forgo(ctx, at, p.Wanted) },
	})
}

// queue has what is to be done at places have operations at once, for whoever asked for it.
// s.mu is held.
func (s *Service) queue(list []fleet.Placement, hosts map[string]*fleet.HostView) {
	busy := s.busy()
	for i := range list {
		at := placeOf(&list[i])
		t := s.taskAt(at, list[i], hosts[at.hostID], stock{})
		if t == nil {
			continue
		}
		if r := s.runAt(at); !r.under {
			s.expect(t, r)
			r.job.Wait(s.waitsFor(t, busy))
		}
	}
}

// byID returns hosts by their ids.
func byID(hosts []fleet.HostView) map[string]*fleet.HostView {
	all := make(map[string]*fleet.HostView, len(hosts))
	for i := range hosts {
		all[hosts[i].ID] = &hosts[i]
	}
	return all
}

// waitsFor returns what a task waits for, with a sentence; nothing where it may begin. s.mu
// is held.
func (s *Service) waitsFor(t *task, busy map[string]place) (reason fleet.WaitReason, message string) {
	if t.reason != "" {
		return t.reason, t.lacks
	}
	if at, is := busy[t.at.hostID]; is {
		if m, known := s.models[at.model]; known {
			return fleet.WaitsForTurn, "the host is busy with the model " + m.Name
		}
		return fleet.WaitsForTurn, "the host does something else first"
	}
	if len(busy) >= maxAtOnce {
		return fleet.WaitsForOthers, "other hosts are served first"
	}
	return "", ""
}

// busy returns what is being done, by the ids of the hosts on which it is. s.mu is held.
func (s *Service) busy() map[string]place {
	busy := map[string]place{}
	for at, r := range s.runs {
		if r.under && at.hostID != "" {
			busy[at.hostID] = at
		}
	}
	return busy
}

// runAt returns how it stands with a place. s.mu is held.
func (s *Service) runAt(at place) *run {
	r := s.runs[at]
	if r == nil {
		r = &run{}
		s.runs[at] = r
	}
	return r
}

// awaits reports whether something is to be done at a place, as far as is known. s.mu is
// held.
func (s *Service) awaits(at place) bool {
	r := s.runs[at]
	return r != nil && r.job != nil && !r.job.Now().State.Ended()
}

// dismissElsewhere ends the operations that wait for hosts on which nothing is placed.
// s.mu is held.
func (s *Service) dismissElsewhere() {
	for _, id := range s.Operations.Hosts() {
		if s.hosted[id] == nil {
			s.dismiss(id, nil)
		}
	}
}

// dismiss ends the operations of a host that wait for what nobody has to do any more: well,
// where it has come to be so by itself. s.mu is held.
func (s *Service) dismiss(hostID string, awaited map[string]bool) {
	for _, o := range s.Operations.Waiting(hostID) {
		if awaited[o.ID] {
			continue
		}
		err := error(operations.ErrCancelled)
		if o.Kind == fleet.DownloadOperation && s.has(&o) {
			err = nil
		}
		s.Operations.End(o.ID, err)
	}
}

// has reports whether the host of an operation has the model that it is to have. s.mu is
// held.
func (s *Service) has(o *fleet.Operation) bool {
	m := s.models[fleet.CanonicalModel(o.Model)]
	return slices.ContainsFunc(s.placedOf(o.Model), func(p fleet.Placement) bool {
		r := s.runs[placeOf(&p)]
		return p.HostID == o.HostID && p.Wanted && m.Is(p.Digest) && (r == nil || !r.stuck)
	})
}

// forgo forgets that a host is to have a model, or not to, unless it is the other way round
// by now. Of a model that all hosts are to have, it is only left undone until somebody asks
// for it.
func (s *Service) forgo(ctx context.Context, at place, wanted bool) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	now, placed := s.placed[at]
	placed = placed && now.Wanted == wanted
	everywhere := s.models[at.model].Everywhere && wanted
	if placed && everywhere {
		r := s.runAt(at)
		r.stuck, r.with = true, software{} // by somebody, and with nothing
		s.touchHost(at.hostID)
	}
	s.mu.Unlock()
	if !placed || everywhere {
		return nil
	}
	return s.unplace(ctx, now)
}
