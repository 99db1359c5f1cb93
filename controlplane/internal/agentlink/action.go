package agentlink

import (
	"context"
	"math"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// RestartInstance has a host's agent restart one of its instances and waits for
// the result.
func (l *Link) RestartInstance(ctx context.Context, hostID, instance string) error {
	return l.act(ctx, hostID, wire.Action{Kind: wire.ActionRestartInstance, Instance: instance})
}

// Refresh has a host's agent report its instances anew.
func (l *Link) Refresh(ctx context.Context, hostID, instance string) error {
	return l.act(ctx, hostID, wire.Action{Kind: wire.ActionRefresh, Instance: instance})
}

// ReleaseGPUs has a host's agent let go of the GPU driver for a while, and waits
// until it has. The agent bounds the time.
func (l *Link) ReleaseGPUs(ctx context.Context, hostID string, d time.Duration) error {
	return l.act(ctx, hostID, wire.Action{Kind: wire.ActionReleaseGPUs, Instance: anyInstance, Seconds: uint32(min(d/time.Second, math.MaxUint32))})
}

// AcquireGPUs has a host's agent read its GPUs again before that is over.
func (l *Link) AcquireGPUs(ctx context.Context, hostID string) error {
	return l.act(ctx, hostID, wire.Action{Kind: wire.ActionAcquireGPUs, Instance: anyInstance})
}

// anyInstance goes with actions that are about none: an older agent looks for the
// instance first, and is to say that it doesn't know the action.
const anyInstance = wire.DefaultInstance

func (l *Link) act(ctx context.Context, hostID string, a wire.Action) error {
	s, err := l.session(hostID)
	if err != nil {
		return err
	}
	s.busy.Add(1)
	defer s.busy.Add(-1)
	a.ID = s.newID()
	result := make(chan *wire.ActionResult, 1)
	s.mu.Lock()
	s.results[a.ID] = result
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.results, a.ID)
		s.mu.Unlock()
	}()
	if err := s.send(&a); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the host's agent could not be reached").On(fault.Host)
	}
	select {
	case r := <-result:
		if kind := fault.ParseKind(r.Code); kind != fault.None {
			return fault.New(kind, "%s", r.Message).On(fault.Host)
		}
		return nil
	case <-s.ended:
		return fault.New(fault.Unavailable, "the host's agent went away before it had answered").On(fault.Host)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) resolveAction(r *wire.ActionResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiting := s.results[r.ID]; waiting != nil {
		delete(s.results, r.ID)
		waiting <- r
	}
}
