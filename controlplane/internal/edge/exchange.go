package edge

import (
	"context"
	"errors"
	"io"
	"runtime/debug"

	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Causes of a context's end that a handler may tell apart by context.Cause.
var (
	ErrClientLeft error = fault.New(fault.Canceled, "the client has left").On(fault.Caller)
	ErrRevoked    error = fault.New(fault.Unauthenticated, "the caller's key was revoked or its session ended").On(fault.Caller)
	ErrShutdown   error = fault.New(fault.Unavailable, "the server is shutting down")
	errAnswered         = errors.New("the answer has been written")
)

// admitted is where an admission waits between the question whether a client
// may go on (Expect: 100-continue) and the request itself.
type admitted struct{}

// expect decides whether a client that asks first may send its body, and
// answers it when not.
func (s *Server) expect(base context.Context, rc *fasthttp.RequestCtx) (status int) {
	var panicked error
	defer func() {
		if panicked != nil {
			status = fasthttp.StatusInternalServerError
		}
	}()
	defer s.guard("edge", &panicked)
	a := s.admit(base, rc)
	if a.route == nil {
		s.answer(rc, a)
		return rc.Response.StatusCode()
	}
	rc.SetUserValue(admitted{}, a)
	a.conn.readWithin(a.policy.progressTimeout()) // asking took its time
	return fasthttp.StatusContinue
}

// serve answers one request. scope gives the context of which its own is a child.
func (s *Server) serve(scope scopes, h *hangups, rc *fasthttp.RequestCtx) {
	var panicked error
	defer func() {
		if panicked != nil {
			rc.Response.Reset()
			rc.SetStatusCode(fasthttp.StatusInternalServerError)
			rc.SetConnectionClose()
		}
	}()
	defer s.guard("edge", &panicked)

	s.requests.Add(1)
	a, _ := rc.UserValue(admitted{}).(*admission)
	rc.RemoveUserValue(admitted{}) // the next request on this connection is another one
	if a == nil {
		a = s.admit(scope(nil), rc)
	}
	switch {
	case a.route == nil:
		s.answer(rc, a)
	case a.upgrade:
		s.upgrade(scope(a.route), rc, a)
	default:
		s.handle(scope(a.route), h, rc, a)
	}
}

// handle calls a route's handler and leaves its answer for fasthttp to write.
func (s *Server) handle(base context.Context, h *hangups, rc *fasthttp.RequestCtx, a *admission) {
	a.conn.answers()
	ctx, cancel := context.WithCancelCause(base)
	in := s.bodyOf(rc, a)
	unwatch := func() {}
	if a.route.Watch {
		unwatch = h.watch(a.conn.Conn, func() { cancel(ErrClientLeft) })
	}
	unfollow := func() {}
	if a.route.Watch {
		unfollow = s.followCaller(cancel, a)
	}
	ended := func() {
		unwatch()
		unfollow()
		cancel(errAnswered)
		if in != nil {
			in.end()
		}
	}

	resp, err := s.call(ctx, a, in)
	if err != nil {
		s.closeUnused(resp)
		resp = s.explain(a, err)
	}
	if resp == nil {
		resp = &Response{Status: fasthttp.StatusNoContent}
	}
	if resp.Stream == nil {
		ended()
		s.finish(rc, a, in, resp)
		return
	}
	if !a.route.Watch {
		unfollow = s.followCaller(cancel, a)
	}
	out := &outflow{
		from:  resp.Stream,
		over:  func() error { return context.Cause(ctx) },
		guard: s.guard,
		failed: func(err error) {
			if fault.KindOf(err) == fault.Internal && ctx.Err() == nil {
				s.log.Error("answer broke off", "method", a.request.Method, "path", a.request.Path, "error", err)
			}
		},
		ended: ended,
	}
	s.finish(rc, a, in, resp)
	s.stream(rc, a, resp, out)
}

// call reads the body where the route wants it whole, and runs the handler.
func (s *Server) call(ctx context.Context, a *admission, in *body) (resp *Response, err error) {
	defer s.guard("handler", &err)
	r := a.request
	switch {
	case a.route.Streaming && in == nil:
		r.Stream = noBody{}
	case a.route.Streaming:
		r.Stream = in
	case in != nil:
		if r.Body, err = in.readAll(a.encoding); err != nil {
			return nil, err
		}
	}
	return a.route.Handler(ctx, r)
}

// noBody is the stream of a request without a body.
type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }

// bodyOf returns the reader of a request's body, or nil when it has none.
func (s *Server) bodyOf(rc *fasthttp.RequestCtx, a *admission) *body {
	stream := rc.Request.BodyStream()
	if stream == nil || a.request.ContentLength == 0 {
		return nil
	}
	return &body{
		conn:    a.conn,
		stream:  stream,
		length:  a.request.ContentLength,
		limit:   a.route.maxBodyBytes(),
		timeout: a.policy.progressTimeout(),
	}
}

func (s *Server) closeUnused(resp *Response) {
	if resp == nil || resp.Stream == nil {
		return
	}
	defer s.guard("stream", nil)
	_ = resp.Stream.Close()
}

// guard recovers from a panic: it is deferred wherever code of a handler runs.
// The panic becomes an error in err, where somebody wants it.
func (s *Server) guard(place string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	s.panics.Add(1)
	s.log.Error("panic recovered", "place", place, "panic", v, "stack", string(debug.Stack()))
	if err != nil {
		*err = errPanicked
	}
}

var errPanicked = fault.New(fault.Internal, "")
