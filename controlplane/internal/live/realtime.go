package live

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// serveMetrics streams the metrics to a client that only listens: one update at
// once, then each that is pushed.
func (l *Live) serveMetrics(_ context.Context, _ *edge.Request, s *edge.Socket) error {
	m := &member{socket: s, framing: rawFraming{}}
	m.muted.Store(^uint32(aboutMetrics))
	l.hub.join(m) // before the look, in which it is counted
	defer l.hub.leave(m)
	data, err := l.metrics()
	if err != nil {
		return err
	}
	l.hub.offer(m, aboutMetrics, data)
	for {
		if _, _, err := s.Receive(); err != nil {
			return err
		}
	}
}
