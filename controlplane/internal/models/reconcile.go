package models

import (
	"context"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// maxAtOnce is on how many hosts something is done at a time: more of them share the
	// same disk and line, and none would be done sooner.
	maxAtOnce = 16
	// settle is how long changes are waited for that come with others.
	settle = 50 * time.Millisecond
	// share is how many times as long as a look took nothing is looked at after it: a large
	// fleet, of which something changes all the time, costs a twentieth of a core for that.
	share = 20
	// look is how often is looked anew where nothing has changed.
	look = time.Minute
)

// Run keeps what is wanted until ctx ends. It returns when all that it began has ended.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	for {
		changed := s.View.Changed()
		began := time.Now()
		next := s.reconcile(ctx, &working)
		took := time.Since(began)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-changed:
		case <-s.waking:
		case <-timer.C:
		}
		timer.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(settle, share*took)):
		}
	}
}

// reconcile begins what is due and returns after how long to look again.
func (s *Service) reconcile(ctx context.Context, working *sync.WaitGroup) time.Duration {
	all := s.View.Hosts()
	hosts := byID(all)
	s.measure(all)
	if err := s.spread(ctx, all); err != nil {
		s.Log.Warn("hosts that joined don't get the models that are for all", "error", err)
	}
	if err := s.forget(ctx, hosts); err != nil {
		s.Log.Warn("placements on hosts that are gone are left over", "error", err)
	}
	if err := s.ground(ctx, hosts); err != nil {
		s.Log.Warn("hosts don't get what their models are based on", "error", err)
	}
	if err := s.evict(ctx, all); err != nil {
		s.Log.Warn("hosts keep more models than they may", "error", err)
	}
	tasks, next := s.due(hosts)
	for _, t := range tasks {
		working.Go(func() { s.perform(ctx, t) })
	}
	s.collect(ctx, hosts, working)
	return min(next, s.purge(ctx, working), s.catchUp(ctx, working))
}

// spread has hosts get what is for all of them.
func (s *Service) spread(ctx context.Context, hosts []fleet.HostView) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	list, given := s.unspread(hosts)
	if err := s.place(ctx, list); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range given {
		s.hostedBy(h.ID).spread = instanceOf(h)
	}
	return nil
}

// forAll reports whether every host is to have a model.
func forAll(m *fleet.StoredModel) bool { return m.Everywhere && m.DeletedAt.IsZero() }

// unspread returns what is for all hosts and is not placed on these, and on which of them
// everything is when that is placed.
func (s *Service) unspread(hosts []fleet.HostView) (list []fleet.Placement, given []*fleet.HostView) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range hosts {
		h := &hosts[i]
		if known := s.hosted[h.ID]; !h.Pending && (known == nil || known.spread != instanceOf(h)) {
			given = append(given, h)
		}
	}
	if len(given) == 0 {
		return nil, nil
	}
	at := s.Now().UTC()
	for name, m := range s.models {
		if !forAll(&m) {
			continue
		}
		for _, h := range given {
			p := fleet.Placement{Model: name, HostID: h.ID, Instance: instanceOf(h), Wanted: true, Since: at}
			if _, there := s.placed[placeOf(&p)]; !there {
				list = append(list, p)
			}
		}
	}
	return list, given
}

// forget forgets placements on hosts that were removed.
func (s *Service) forget(ctx context.Context, hosts map[string]*fleet.HostView) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	var list []fleet.Placement
	for id, h := range s.hosted {
		switch {
		case hosts[id] != nil:
		case len(h.places) == 0:
			delete(s.hosted, id)
		default:
			for _, at := range h.places {
				list = append(list, s.placed[at])
			}
		}
	}
	s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	return s.unplace(ctx, list...)
}
