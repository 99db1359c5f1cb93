package standin

import (
	"context"
	"fmt"
	"net"
)

// Running is a stand-in that serves within this process.
type Running struct {
	URL    string // such as http://127.0.0.1:40001
	cancel context.CancelFunc
	served chan error
}

// Start serves a stand-in on a free port of the loopback until ctx ends or
// [Running.Stop], which must be called in any case.
func Start(ctx context.Context, o Options) (*Running, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	return s.start(ctx)
}

func (s *Server) start(ctx context.Context) (*Running, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("standin: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Running{URL: "http://" + ln.Addr().String(), cancel: cancel, served: make(chan error, 1)}
	go func() { r.served <- s.Serve(ctx, ln) }()
	return r, nil
}

// Stop ends the stand-in and returns when it has. It may be called once.
func (r *Running) Stop() error {
	r.cancel()
	return <-r.served
}
