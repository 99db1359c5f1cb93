package models

import (
	"context"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// collectEvery is how often a host looks for bytes that no model refers to: what a
// conversion or something that broke off has left.
const collectEvery = time.Hour

// collect begins to have hosts look that have nothing else to do and have not for a while.
func (s *Service) collect(ctx context.Context, hosts map[string]*fleet.HostView, working *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := map[string]bool{}
	for at, r := range s.runs {
		if r.under {
			busy[at.hostID] = true
		}
	}
	now := s.Now()
	for id, h := range hosts {
		in := instanceNamed(h, instanceOf(h))
		if busy[id] || !h.State.Reachable() || in == nil || !in.Serves() {
			continue
		}
		at := place{hostID: id, instance: in.Name}
		r := s.runs[at]
		if r == nil { // not at once: there is enough to do when a host has just come
			r = &run{notUntil: now.Add(collectEvery)}
			s.runs[at] = r
		}
		if now.Before(r.notUntil) {
			continue
		}
		r.under = true
		to := fleet.Target{HostID: id, Host: h.Name, Instance: in.Name}
		working.Go(func() { s.collectOne(ctx, to, at) })
	}
	for at := range s.runs {
		if at.model == "" && hosts[at.hostID] == nil {
			delete(s.runs, at)
		}
	}
}

func (s *Service) collectOne(ctx context.Context, to fleet.Target, at place) {
	result, err := s.Workers.Work(ctx, to, work.Job{ID: "collect", Kind: work.Collect}, func(work.Event) {})
	s.mu.Lock()
	if r := s.runs[at]; r != nil {
		r.under, r.notUntil = false, s.Now().Add(collectEvery)
	}
	s.announce()
	s.mu.Unlock()
	switch {
	case err != nil && ctx.Err() == nil:
		s.Log.Info("a host has not looked for what no model refers to", "host", to.Host, "error", err)
	case result.FreedBytes > 0:
		s.Log.Info("a host deleted what no model refers to", "host", to.Host, "bytes", result.FreedBytes)
	}
}
