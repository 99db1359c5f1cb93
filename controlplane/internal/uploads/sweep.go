package uploads

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// sweepEvery is how often somebody looks after uploads that nobody cares for.
const sweepEvery = time.Minute

// Load makes the folder and removes what lies in it that belongs to no upload: a kill can
// leave such files behind. The sink hears of the uploads that go on. It has to be called
// before anything is uploaded.
func (s *Service) Load(ctx context.Context) error {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return err
	}
	list, err := s.Store.Uploads(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	files := 0
	for i := range list {
		files += len(list[i].Files)
		if state := list[i].State; state == fleet.UploadReceiving || state == fleet.UploadReceived {
			for _, name := range stagedNames(&list[i]) {
				wanted[name] = true
			}
			s.Sink.Changed(list[i], list[i].OffsetBytes)
		}
	}
	s.mu.Lock()
	s.files = files
	s.mu.Unlock()
	entries, err := os.ReadDir(s.Folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if wanted[e.Name()] {
			continue
		}
		if err := s.folder.remove(e.Name()); err != nil {
			return err
		}
		s.Log.Info("leftover of an upload removed", "file", e.Name())
	}
	return nil
}

// Run gives to the sink what it could not take before, and removes uploads that have
// expired, until ctx ends. It returns nil.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("uploads not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (s *Service) sweep(ctx context.Context) error {
	list, err := s.Store.Uploads(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		u := &list[i]
		expired := !s.Now().Before(u.ExpiresAt)
		if !expired && u.State != fleet.UploadReceived {
			continue
		}
		err = errors.Join(err, s.settle(ctx, u.ID))
	}
	return err
}

// settle looks after one upload, unless somebody works on it.
func (s *Service) settle(ctx context.Context, id string) error {
	_, leave, ok := s.turns.tryTake(ctx, id)
	if !ok {
		return nil
	}
	defer leave()
	u, err := s.Store.Upload(ctx, id) // which may have changed since it was listed
	switch {
	case err != nil:
		return err
	case !s.Now().Before(u.ExpiresAt):
		return s.remove(ctx, u)
	case u.State != fleet.UploadReceived:
		return nil
	}
	if err = s.hand(ctx, &u); u.State == fleet.UploadFailed {
		return nil // which was told already
	}
	return err
}
