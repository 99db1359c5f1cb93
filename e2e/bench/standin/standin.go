// Package standin is a stand-in for Ollama: a small, fast HTTP server that
// gives the answers of Ollama 0.17.4 in shape and framing, without a model.
//
// Benchmarks put it behind everything that they compare, so that what differs
// between two paths is the path alone. It is honest where that matters: each
// piece of an answer is one HTTP chunk, written to the socket before the next
// is made. testdata holds the answers of a real Ollama that the shapes are
// checked against.
package standin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/e2e/bench/stamp"
)

// Model is the full name of the one model that the stand-in has. It answers to
// the name without its tag as well.
const Model = "bench:latest"

// shutdownLimit bounds how long open answers hold up a shutdown.
const shutdownLimit = 2 * time.Second

// Options says how the stand-in answers.
type Options struct {
	Tokens int           // pieces of an answer, 1 or more
	Delay  time.Duration // pause before each piece; 0 is none
	// Pace is the time from one piece of a stream to the next, in whole
	// milliseconds; 0 is none. It is kept to a schedule, however long the writing
	// takes, and in place of words each piece says its [stamp.Stamp].
	Pace time.Duration
}

// Server is the stand-in. One Server may serve one listener at a time.
type Server struct {
	options Options
	wheel   *wheel // nil without a pace
	clock   stamp.Clock
	answers atomic.Uint64 // paced ones so far
}

// New checks the options and returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.Tokens < 1 {
		return nil, fmt.Errorf("standin: %d tokens: an answer has at least one", o.Tokens)
	}
	if o.Delay < 0 {
		return nil, fmt.Errorf("standin: a delay of %v lies in the past", o.Delay)
	}
	if o.Pace != 0 && (o.Pace < wheelStep || o.Pace%wheelStep != 0 || o.Delay != 0) {
		return nil, fmt.Errorf("standin: a pace of %v with a delay of %v: it is in whole milliseconds, and without a delay", o.Pace, o.Delay)
	}
	s := &Server{options: o, clock: stamp.NewClock()}
	if o.Pace > 0 {
		s.wheel = newWheel(o.Pace)
	}
	return s, nil
}

// Serve answers on ln until ctx ends, then closes ln and every connection.
// Answers that are being streamed end without their last line.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	srv := &fasthttp.Server{
		Handler:               func(rc *fasthttp.RequestCtx) { s.route(rc, ctx.Done()) },
		NoDefaultServerHeader: true,
		MaxRequestBodySize:    64 << 20,
		Logger:                silent{},
	}
	if s.wheel != nil {
		turning, still := context.WithCancel(ctx)
		var turned sync.WaitGroup
		turned.Go(func() { s.wheel.run(turning) })
		defer turned.Wait()
		defer still()
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("standin: serve on %v: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	// fasthttp's shutdown closes no listener that its Serve has not taken up
	// yet, and a second close is all that it complains of otherwise.
	closed := ln.Close()
	err := srv.ShutdownWithContext(limit)
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(closed, err, <-served)
}

// silent drops fasthttp's own log: it tells of clients that went away, which
// the load generator counts itself.
type silent struct{}

func (silent) Printf(string, ...any) {}
