package plugins

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/storage"
)

// sends is an upload's source, which notes what is read of it and how long the plugin
// takes in between.
type sends struct {
	storage.Source
	idle   *idle
	meter  *meter
	commit time.Duration // from the last byte on
	opened bool
	again  error // why it could not be opened again
}

// Open implements [storage.Source].
func (s *sends) Open() (io.ReadCloser, error) {
	in, err := s.Source.Open()
	if err != nil {
		if s.opened {
			s.again = err
		}
		return nil, err
	}
	s.opened = true
	return &sent{ReadCloser: in, of: s}, nil
}

// sent is what is read of a source. Where that is a file, the plugin may get it and
// read it by itself; then it tells how far it is.
type sent struct {
	io.ReadCloser
	of *sends

	mu        sync.Mutex
	took      int64 // by the plugin, of the file
	counted   int64 // of that
	committed bool
}

var _ storagerpc.Watcher = (*sent)(nil)

func (s *sent) Read(p []byte) (int, error) {
	s.of.idle.rest()
	n, err := s.ReadCloser.Read(p)
	s.of.meter.sent.Add(int64(n))
	if err == io.EOF {
		s.of.idle.waitFor(s.of.commit)
	} else {
		s.of.idle.wait()
	}
	return n, err
}

// Watched implements [storagerpc.Watcher].
func (s *sent) Watched() io.Reader { return s.ReadCloser }

// Took implements [storagerpc.Watcher]. A plugin may read again what it has read; that
// is not sent twice.
func (s *sent) Took(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes <= s.took {
		return
	}
	s.took = bytes
	if now := min(bytes, s.of.SizeBytes()); now > s.counted {
		s.of.meter.sent.Add(now - s.counted)
		s.counted = now
	}
	s.waitLocked()
}

// Committed implements [storagerpc.Watcher].
func (s *sent) Committed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed = true
	s.waitLocked()
}

// waitLocked waits for the plugin to read on, or to end. One that has read all waits
// for the commit, and so for us.
func (s *sent) waitLocked() {
	switch {
	case s.took < s.of.SizeBytes():
		s.of.idle.wait()
	case s.committed:
		s.of.idle.waitFor(s.of.commit)
	default:
		s.of.idle.rest()
	}
}

// Put implements [storage.Backend]. An upload whose process ends is begun again where
// its source can be opened again.
func (i *Instance) Put(ctx context.Context, key string, src storage.Source) error {
	return i.upload(ctx, "put", src, true, func(ctx context.Context, b storage.Backend, src storage.Source) error {
		return b.Put(ctx, key, src)
	})
}

// Create implements [storage.Creator]. One whose process ends is not begun again once
// anything was sent: whether it had succeeded would not be known.
func (i *Instance) Create(ctx context.Context, key string, src storage.Source) error {
	return i.upload(ctx, "create", src, false, func(ctx context.Context, b storage.Backend, src storage.Source) error {
		return as(func(ctx context.Context, c storage.Creator) error { return c.Create(ctx, key, src) })(ctx, b)
	})
}

func (i *Instance) upload(ctx context.Context, name string, src storage.Source, again bool, do func(context.Context, storage.Backend, storage.Source) error) error {
	leave, err := i.transfer(ctx)
	if err != nil {
		return err
	}
	defer leave()
	times := i.unit.config.times
	ctx, idle := newIdle(ctx, times.idle)
	watched := &sends{Source: src, idle: idle, meter: i.unit.meter, commit: times.commit}
	defer watched.idle.end()
	var last error
	for range 1 + maxAgain {
		watched.idle.wait()
		err := i.once(ctx, name, func(ctx context.Context, b storage.Backend) error { return do(ctx, b, watched) })
		if watched.again != nil && last != nil {
			return last
		}
		if last = err; !errors.Is(err, errEnded) || !again && watched.opened {
			break
		}
	}
	return last
}
