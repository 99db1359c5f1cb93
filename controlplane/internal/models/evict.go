package models

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// unseen is for how long after a model was at work its host may not have told yet that it
// is in memory.
const unseen = 30 * time.Second

// evict has models go from hosts that keep more than they may: the least recently used
// first, and of those alone that the placement brought there, and that are neither pinned
// nor in memory, nor at work a moment ago. They can be fetched again.
func (s *Service) evict(ctx context.Context, hosts []fleet.HostView) error {
	most := s.CacheBytes()
	if most <= 0 {
		return nil
	}
	var crowded []*fleet.HostView
	for i := range hosts {
		h := &hosts[i]
		// Who used what costs a query, and is of interest where something may go.
		if h.State.Reachable() && s.crowded(h, most) {
			crowded = append(crowded, h)
		}
	}
	if len(crowded) == 0 {
		return nil
	}
	uses, err := s.LastUses(ctx)
	if err != nil {
		return err
	}
	used := map[place]time.Time{}
	for _, u := range uses {
		used[place{model: fleet.CanonicalModel(u.Model), hostID: u.HostID}] = u.At
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	var list []fleet.Placement
	atWork := map[string]map[string]time.Time{} // by digest
	for _, h := range crowded {
		able := slices.DeleteFunc(s.evictable(h), func(p fleet.Placement) bool {
			if _, known := atWork[p.Digest]; !known {
				atWork[p.Digest] = s.Uses(p.Digest)
			}
			return s.Now().Sub(atWork[p.Digest][h.ID]) < unseen
		})
		list = append(list, s.evictions(h, able, s.excess(h, most), used)...)
	}
	return s.place(ctx, list)
}

// crowded reports whether something is to go from a host. One from which nothing is, is
// not looked at again before something changes.
func (s *Service) crowded(h *fleet.HostView, most int64) bool {
	s.mu.Lock()
	on := s.hostedBy(h.ID)
	turn := on.look(s.seed, h)
	known := on.weighed == turn && on.mostBytes == most
	on.weighed, on.mostBytes = turn, most
	s.mu.Unlock()
	if known || s.excess(h, most) <= 0 || len(s.evictable(h)) == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	on.weighed = 0
	return true
}

// excess returns how many bytes more than most a host has, or will have when it has all
// that it is to have and has let go of the rest.
func (s *Service) excess(h *fleet.HostView, most int64) int64 {
	in := instanceNamed(h, instanceOf(h))
	if in == nil || !in.ModelsKnown {
		return 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var sum int64
	there := map[string]bool{}
	for _, m := range in.Models {
		name := fleet.CanonicalModel(m.Name)
		there[name] = true
		if p, placed := s.placed[place{name, h.ID, in.Name}]; !placed || p.Wanted {
			sum += m.SizeBytes
		}
	}
	for _, at := range s.placesOn(h.ID) {
		if at.instance == in.Name && s.placed[at].Wanted && !there[at.model] {
			m := s.models[at.model]
			sum += m.SizeBytes()
		}
	}
	return sum - most
}

// evictions returns those of a host's placements that go, of such as may, so that it has so
// many bytes less, or as many as can be.
func (s *Service) evictions(h *fleet.HostView, able []fleet.Placement, excess int64, used map[place]time.Time) []fleet.Placement {
	in := instanceNamed(h, instanceOf(h))
	lastUse := func(p *fleet.Placement) time.Time {
		at := used[place{model: p.Model, hostID: p.HostID}]
		if at.Before(p.Since) { // what has just come was wanted then
			return p.Since
		}
		return at
	}
	slices.SortFunc(able, func(a, b fleet.Placement) int {
		return cmp.Or(lastUse(&a).Compare(lastUse(&b)), cmp.Compare(a.Model, b.Model))
	})
	var list []fleet.Placement
	for _, p := range able {
		if excess <= 0 {
			break
		}
		has, _ := modelOn(in, p.Model)
		excess -= has.SizeBytes
		p.Wanted = false
		list = append(list, p)
		s.Log.Info("a model makes room for others", "model", p.Model, "host", h.Name, "size", has.SizeBytes, "last_use", lastUse(&p))
	}
	return list
}

// evictable returns the placements of a host that may go to make room for others.
func (s *Service) evictable(h *fleet.HostView) []fleet.Placement {
	in := instanceNamed(h, instanceOf(h))
	s.mu.RLock()
	defer s.mu.RUnlock()
	var able []fleet.Placement
	has := stock{}
	for _, at := range s.placesOn(h.ID) {
		if p := s.placed[at]; at.instance == in.Name && s.mayEvict(in, has.find(in, at.model), &p) {
			able = append(able, p)
		}
	}
	return able
}

// mayEvict reports whether a model that is placed on an instance, which has it so, may go
// to make room for others. s.mu is held.
func (s *Service) mayEvict(in *fleet.Instance, has *fleet.HostModel, p *fleet.Placement) bool {
	m, stored := s.models[p.Model]
	if !stored || has == nil || !p.Wanted || !p.Cached || m.Pinned || m.Everywhere {
		return false
	}
	if len(m.Files) == 0 || !m.DeletedAt.IsZero() || has.Digest != p.Digest { // it could not be fetched again
		return false
	}
	_, loaded := in.Resident(p.Model)
	return !loaded
}
