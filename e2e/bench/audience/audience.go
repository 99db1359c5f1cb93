// Package audience is many dashboards at once: WebSockets that take in the
// metrics a control plane pushes.
package audience

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// dialLimit is how long one WebSocket may take to open.
const dialLimit = 30 * time.Second

// subprotocol is the raw dialect of the dashboard's WebSocket. The key is
// offered beside it, as a browser has no other way to send one.
const subprotocol = "corral.v1"

// Audience is a number of open WebSockets. It must be closed.
type Audience struct {
	seats []*websocket.Conn
}

// Open opens count WebSockets at a control plane's base URL, such as
// http://127.0.0.1:11435, one after the other.
func Open(ctx context.Context, baseURL, key string, count int) (*Audience, error) {
	rest, ok := strings.CutPrefix(baseURL, "http://")
	if !ok {
		return nil, fmt.Errorf("audience: %q is not an http:// URL", baseURL)
	}
	dialer := websocket.Dialer{
		HandshakeTimeout: dialLimit,
		Subprotocols:     []string{subprotocol, "bearer." + key},
		ReadBufferSize:   4 << 10,
		WriteBufferSize:  512,
	}
	a := &Audience{}
	for n := range count {
		conn, resp, err := dialer.DialContext(ctx, "ws://"+rest+"/ws", nil)
		if err != nil {
			if resp != nil {
				err = fmt.Errorf("%w: %s", err, resp.Status)
			}
			return nil, errors.Join(fmt.Errorf("audience: open WebSocket %d: %w", n+1, err), a.Close())
		}
		a.seats = append(a.seats, conn)
		if got := conn.Subprotocol(); got != subprotocol {
			return nil, errors.Join(fmt.Errorf("audience: the server chose the subprotocol %q, not %q", got, subprotocol), a.Close())
		}
	}
	return a, nil
}

// Close closes every WebSocket. It may be called again.
func (a *Audience) Close() error {
	var errs []error
	for _, seat := range a.seats {
		errs = append(errs, seat.Close())
	}
	a.seats = nil
	return errors.Join(errs...)
}
