package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxHeadBytes is how large a request's head may be. Each open connection holds
// a buffer of this size.
const maxHeadBytes = 16 << 10

// writeBuffer has room for what fasthttp reads of a stream at a time, 4 KiB, and
// its framing: a crowded stream's piece goes out in one write. Each open
// connection holds one, and this is a size that Go allocates without waste.
const writeBuffer = 4<<10 + 768

// Config is what a server is made of. Fields without a remark are required.
type Config struct {
	Authenticator Authenticator
	// Policy returns the live settings, never nil. It is called for each
	// connection and request, so it should just load a pointer.
	Policy func() *Snapshot
	// TLS answers clients that speak TLS; nil takes plain HTTP alone.
	TLS *tls.Config
	// Hostnames are the names by which this machine is rightly called, beside
	// its addresses and localhost.
	Hostnames []string
	// SessionCookie is the name of the cookie that holds a session; empty: none.
	SessionCookie string
	// Grace is how long answers under way may take once Run is told to end.
	Grace time.Duration
	Log   hclog.Logger
}

// Server serves a table of routes. Its methods may be called concurrently.
type Server struct {
	router *Router
	auth   Authenticator
	policy func() *Snapshot
	tls    *tls.Config
	names  []string
	cookie string
	grace  time.Duration
	log    hclog.Logger
	pace   pace
	rates  rates

	writeBuffers *sync.Pool
	fileBuffers  *sync.Pool
	listener     atomic.Pointer[listener]
	followed     followed

	requests, refused, panics atomic.Uint64
}

// New returns a server for the routes that the router has by the time Run is called.
func New(cfg Config, router *Router) (*Server, error) {
	switch {
	case cfg.Authenticator == nil:
		return nil, errors.New("edge: no authenticator")
	case cfg.Policy == nil:
		return nil, errors.New("edge: no policy")
	case cfg.Log == nil:
		return nil, errors.New("edge: no logger")
	case router == nil:
		return nil, errors.New("edge: no router")
	}
	s := &Server{
		router: router,
		auth:   cfg.Authenticator,
		policy: cfg.Policy,
		names:  cfg.Hostnames,
		cookie: cfg.SessionCookie,
		grace:  cfg.Grace,
		log:    cfg.Log,
		pace:   patient,

		writeBuffers: &sync.Pool{},
		fileBuffers:  &sync.Pool{},
		followed:     followed{groups: map[<-chan struct{}]*group{}},
	}
	if cfg.TLS != nil {
		s.tls = cfg.TLS.Clone()
		s.tls.NextProtos = []string{"http/1.1"}
	}
	return s, nil
}

// Stats counts what the server has done since it was made, and what is open now.
type Stats struct {
	OpenConnections int // upgraded ones included
	Upgraded        int
	Requests        uint64
	Refused         uint64 // by the edge, before a handler
	Panics          uint64
}

// Stats returns the current counts.
func (s *Server) Stats() Stats {
	st := Stats{Requests: s.requests.Load(), Refused: s.refused.Load(), Panics: s.panics.Load()}
	if l := s.listener.Load(); l != nil {
		st.OpenConnections, st.Upgraded = l.open.count(), l.upgraded.count()
	}
	return st
}

// scopes returns the context that a route's exchanges are children of; nil
// stands for the edge's own work.
type scopes func(*Route) context.Context

// fast returns the fasthttp server behind the edge. Deadlines and body limits
// are not its business: it could not change them while it runs, and they would
// cut long transfers.
func (s *Server) fast(scope scopes, h *hangups) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:       func(rc *fasthttp.RequestCtx) { s.serve(scope, h, rc) },
		ExpectHandler: func(rc *fasthttp.RequestCtx) int { return s.expect(scope(nil), rc) },
		ErrorHandler:  s.unreadable,
		ConnState:     func(c net.Conn, state fasthttp.ConnState) { c.(*conn).moved(state) },
		Logger:        silence{},

		ReadBufferSize:               maxHeadBytes,
		WriteBufferSize:              writeBuffer,
		MaxRequestBodySize:           1, // what is read before the handler runs
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		KeepHijackedConns:            true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		MaxIdleWorkerDuration:        time.Second, // a sleep that outlives Serve
	}
}

// silence takes fasthttp's log, which tells of single connections and quotes
// what strangers sent.
type silence struct{}

func (silence) Printf(string, ...any) {}

// unreadable answers what never became a request.
func (s *Server) unreadable(rc *fasthttp.RequestCtx, err error) {
	c := rc.Conn().(*conn)
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		c.linger.Store(true)
		err = &statusError{cause: fault.New(fault.TooLarge, "the head of the request is larger than %d bytes", maxHeadBytes), status: 431}
	case errors.As(err, &timeout) && timeout.Timeout():
		err = fault.Wrap(fault.Timeout, err, "the request did not arrive in time").On(fault.Caller)
	default:
		c.linger.Store(true)
		err = fault.Wrap(fault.Invalid, err, "this is not an HTTP/1.1 request")
	}
	s.refused.Add(1)
	resp := problem(Dashboard, err)
	rc.Response.Reset()
	rc.SetStatusCode(resp.Status)
	for _, f := range append(sane[:], resp.Header...) {
		rc.Response.Header.Set(f.Name, f.Value)
	}
	rc.Response.SetBodyRaw(resp.Body)
}

// Run serves what ln accepts until ctx ends, then lets go: it accepts nothing
// more, lets answers finish within the grace, cancels the rest, and closes
// WebSockets with code 1012, those of exempt routes last. It returns nil when
// everything has ended, and closes ln in any case. Run may be called once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	l := newListener(ln, s.tls, s.policy)
	if !s.listener.CompareAndSwap(nil, l) {
		return errors.Join(errors.New("edge: the server runs already"), ln.Close())
	}
	h, err := openHangups()
	if err != nil {
		return errors.Join(fmt.Errorf("edge: %w", err), ln.Close())
	}
	// Requests, WebSockets and agents end one after the other, none of them
	// with ctx itself.
	base := context.WithoutCancel(ctx)
	requests, endRequests := context.WithCancelCause(base)
	sockets, endSockets := context.WithCancelCause(base)
	links, endLinks := context.WithCancelCause(base)
	fast := s.fast(func(r *Route) context.Context { //nolint:contextcheck // this is where exchanges get theirs
		switch {
		case r == nil || !r.upgrades():
			return requests
		case r.Exempt:
			return links
		}
		return sockets
	}, h)

	served, watched := make(chan error, 1), make(chan error, 1)
	go func() { served <- fast.Serve(l) }()
	go func() { watched <- h.run() }()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
		served <- nil
	case failed = <-watched:
		watched <- nil
	}
	failed = errors.Join(failed, s.wind(base, fast, l, endRequests, endSockets, endLinks), <-served)
	failed = errors.Join(failed, h.stop(), <-watched, h.close())
	if failed != nil {
		return fmt.Errorf("edge: %w", failed)
	}
	return nil
}
