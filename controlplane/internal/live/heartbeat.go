package live

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/live/socketio"
)

// heartbeat is what Socket.IO's clients need beside the pings of the WebSocket:
// a client that hears none for a while takes the connection for dead.
type heartbeat struct {
	pongs chan struct{}
	known chan struct{}
}

func newHeartbeat() *heartbeat {
	return &heartbeat{pongs: make(chan struct{}, 1), known: make(chan struct{})}
}

// heard notes a pong. It never waits.
func (h *heartbeat) heard() {
	select {
	case h.pongs <- struct{}{}:
	default: // one is noted already
	}
}

// joined notes, once, that the client has said who it is.
func (h *heartbeat) joined() { close(h.known) }

// run pings until ctx ends. It closes the socket of a client that does not
// answer, or does not say who it is.
func (h *heartbeat) run(ctx context.Context, s *edge.Socket, p pace) {
	ping := edge.TextMessage([]byte{byte(socketio.Ping)})
	greeting := time.NewTimer(p.greeting)
	defer greeting.Stop()
	next := time.NewTimer(p.ping)
	defer next.Stop()
	known, waiting := h.known, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-known:
			known = nil
			greeting.Stop()
		case <-greeting.C:
			s.Close(edge.ClosePolicy, "no namespace was joined in time")
			return
		case <-h.pongs:
			waiting = false
			next.Reset(p.ping)
		case <-next.C:
			if waiting || s.Send(ping) != nil {
				s.Close(edge.ClosePolicy, "ping timeout")
				return
			}
			waiting = true
			next.Reset(p.pong)
		}
	}
}
