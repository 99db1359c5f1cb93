package agentlink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// probe is the latest ping of those that keep a session alive.
type probe struct {
	id uint64
	at time.Time
}

// nextProbe returns the next ping, and notes when it was sent.
func (l *Link) nextProbe(s *session) *wire.Ping {
	id, now := s.newID(), l.Now()
	s.mu.Lock()
	s.probe = probe{id: id, at: now}
	s.mu.Unlock()
	return &wire.Ping{ID: id, UnixMillis: now.UnixMilli()}
}

func (s *session) newID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	return s.nextID
}

// ping returns nil when the agent answered.
func (s *session) ping(ctx context.Context) error {
	id, answered := s.newID(), make(chan struct{})
	s.mu.Lock()
	s.pongs[id] = answered
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pongs, id)
		s.mu.Unlock()
	}()
	if err := s.send(&wire.Ping{ID: id}); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-s.ended:
		return errors.New("the session ended")
	case <-ctx.Done():
		return fmt.Errorf("no answer to a ping: %w", ctx.Err())
	}
}

func (s *session) resolvePong(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered := s.pongs[id]; answered != nil {
		delete(s.pongs, id)
		close(answered)
	}
}
