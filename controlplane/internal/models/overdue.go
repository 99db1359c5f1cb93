package models

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// What was stored before the digests of its layers were found out at storing has none of
// those that are put together. They are found out later, once, while nothing waits for it.

// overdueTries is how often the digests of a model are tried to be found out until the
// program starts again: each time may read all of it.
const overdueTries = 5

// noteOverdue notes whether a model has a layer whose digest is to be found out. s.mu is
// held.
func (s *Service) noteOverdue(name string, is bool) {
	switch {
	case !is:
		delete(s.overdue, name)
	case s.overdue[name] == nil:
		s.overdue[name] = &run{}
	}
}

// catchUp begins to find out the digests of a model, of one at a time, and returns after
// how long to look again.
func (s *Service) catchUp(ctx context.Context, working *sync.WaitGroup) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := look
	if s.overdoing {
		return next
	}
	for name, r := range s.overdue {
		m := s.models[name]
		if r.stuck || !m.DeletedAt.IsZero() || s.taking[name] != nil || !s.readable(&m) {
			continue
		}
		if wait := r.notUntil.Sub(s.Now()); wait > 0 {
			next = min(next, wait)
			continue
		}
		s.overdoing = true
		working.Go(func() { s.catchUpOne(ctx, &m, r) })
		break
	}
	return next
}

// readable reports whether the storages of a model serve, as far as is known.
func (s *Service) readable(m *fleet.StoredModel) bool {
	return !slices.ContainsFunc(m.Files, func(f fleet.ModelFile) bool { return !s.Storages.Ready(f.Storage) })
}

func (s *Service) catchUpOne(ctx context.Context, m *fleet.StoredModel, r *run) {
	err := s.amend(ctx, m)
	s.mu.Lock()
	s.overdoing = false
	gone := s.overdue[fleet.CanonicalModel(m.Name)] != r
	if err != nil {
		r.failures++
		r.notUntil = s.Now().Add(pause(r.failures))
		r.stuck = !worthTrying(err) || r.failures == overdueTries
	}
	again := !r.stuck
	s.wake()
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil && !gone {
		s.Log.Warn("the digest of a model in several files is not found out, so that each host reads them twice", "model", m.Name, "again", again, "error", err)
	}
}

// amend stores the digests of the layers of a model that has none.
func (s *Service) amend(ctx context.Context, m *fleet.StoredModel) error {
	var info loader.Info
	if err := json.Unmarshal(m.Info, &info); err != nil {
		return fault.Wrap(fault.Corrupt, err, "what is stored of the model %q can't be read", m.Name)
	}
	nowhere := make([]ParcelFile, len(m.Files)) // but in their storages
	if err := s.identify(ctx, nowhere, m.Files, &info, func(int64, int64) {}); err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	now, err := s.Stored(m.Name)
	if err != nil || !slices.Equal(now.Files, m.Files) || !bytes.Equal(now.Info, m.Info) {
		return nil // it is another one now, or none
	}
	now.Info = text
	if err := s.save(context.WithoutCancel(ctx), now); err != nil {
		return err
	}
	s.Log.Info("the digest of a model in several files is known from now on", "model", m.Name, "size", m.SizeBytes())
	return nil
}
