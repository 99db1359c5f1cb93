package edge

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// upgrade turns an admitted request into a WebSocket. The 101 is written by
// fasthttp once this has returned; then live runs on a goroutine of its own.
func (s *Server) upgrade(base context.Context, rc *fasthttp.RequestCtx, a *admission) {
	up := websocket.FastHTTPUpgrader{
		Subprotocols:    a.route.Subprotocols,
		WriteBufferPool: s.writeBuffers,
		CheckOrigin:     func(*fasthttp.RequestCtx) bool { return true }, // admission did
		Error: func(_ *fasthttp.RequestCtx, _ int, reason error) {
			a.err = &statusError{
				cause:  fault.Wrap(fault.Invalid, reason, "this is no WebSocket handshake of version 13"),
				header: []HeaderField{{Name: "Sec-WebSocket-Version", Value: "13"}},
			}
		},
	}
	live := func(ws *websocket.Conn) {
		a.conn.takeOver()
		if a.route.Upgrade == nil {
			defer a.conn.owner.upgraded.add(-1)
			s.live(base, a, ws)
			return
		}
		own, err := s.adopt(a.conn, ws)
		if err != nil {
			defer a.conn.owner.upgraded.add(-1)
			_ = a.conn.Close()
			return
		}
		go func() { // fasthttp keeps nothing of the connection once this one has returned
			defer a.conn.owner.upgraded.add(-1)
			s.live(base, a, own)
		}()
	}
	if err := up.Upgrade(rc, live); err != nil {
		s.answer(rc, a)
		return
	}
	a.conn.handOver(func() {})
}

// live runs a WebSocket's handler, and returns when everything of it has ended.
func (s *Server) live(base context.Context, a *admission, ws *websocket.Conn) {
	defer s.guard("websocket", nil)
	defer a.conn.Close()
	ctx, cancel := context.WithCancelCause(base)
	defer cancel(errAnswered)
	defer s.followCaller(cancel, a)()

	if a.route.Upgrade != nil {
		s.link(ctx, a, ws)
		return
	}
	s.socket(ctx, a, ws)
}

// socket runs a handler of a [Socket].
func (s *Server) socket(ctx context.Context, a *admission, ws *websocket.Conn) {
	socket := newSocket(ws, a.conn, s.pace, a.route.maxMessageBytes())
	go socket.write()
	release := s.escort(ctx, a, socket.Close)
	code, reason := s.sum(a, s.run(func() error { return a.route.Socket(ctx, a.request, socket) }))
	socket.finish(code, reason)
	release()
}

// link runs a handler that has a WebSocket to itself.
func (s *Server) link(ctx context.Context, a *admission, ws *websocket.Conn) {
	ws.SetReadLimit(a.route.maxMessageBytes())
	goodbye := func(code int, reason string) {
		// WriteControl may be called beside the connection's own writer. It
		// fails when the close frame was sent already or can't be any more.
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(s.pace.closing))
	}
	release := s.escort(ctx, a, goodbye)
	goodbye(s.sum(a, s.run(func() error { return a.route.Upgrade(ctx, a.request, ws) })))
	release()
}

// run calls a handler and turns its panic into an error.
func (s *Server) run(handler func() error) (err error) {
	defer s.guard("websocket", &err)
	return handler()
}

// sum returns how a socket should be closed after its handler's return, and
// logs what was a fault of ours.
func (s *Server) sum(a *admission, err error) (code int, reason string) {
	switch {
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled):
		return CloseNormal, ""
	case errors.Is(err, errPanicked):
		return CloseInternal, "something went wrong inside the server"
	case fault.KindOf(err) == fault.Internal:
		s.log.Error("websocket failed", "path", a.request.Path, "caller", a.request.Caller.ID, "error", err)
		return CloseInternal, "something went wrong inside the server"
	}
	return ClosePolicy, fault.MessageOf(err)
}

// farewell is the close code for a context that ended before its handler.
func farewell(ctx context.Context) (code int, reason string) {
	if errors.Is(context.Cause(ctx), ErrRevoked) {
		return ClosePolicy, ErrRevoked.Error()
	}
	return CloseRestart, ErrShutdown.Error()
}

// escort ends a WebSocket when its context does: a close frame, a moment for
// the peer and the handler, then the connection is cut. The returned function
// is called when the handler has returned, and returns when the escort has.
func (s *Server) escort(ctx context.Context, a *admission, goodbye func(code int, reason string)) (release func()) {
	returned, over := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		goodbye(farewell(ctx))
		timer := time.NewTimer(s.pace.closing)
		defer timer.Stop()
		select {
		case <-returned:
		case <-timer.C:
			a.conn.abort()
		}
	})
	return func() {
		if !stop() {
			close(returned)
			<-over
		}
	}
}
