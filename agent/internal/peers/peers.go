// Package peers lets other hosts read what this one's Ollama has of models, so that a
// model comes over the line of the control plane once and not once for each host. There is
// one route: a blob by its sha256, whole or as far as it is fetched yet, straight from
// Ollama's own store. It is served to the host alone that a ticket of the control plane's
// names.
package peers

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"
)

const (
	maxConnections = 256 // who has no ticket may have some of them for a moment
	maxRequests    = 96  // of those who have one: two hosts that read a model of three files in sixteen ranges
	pieceBytes     = 64 << 10
)

// Options are what a [Server] works with. All fields but Address and BytesPerSecond are
// required.
type Options struct {
	Listen  string // host:port; port 0 picks a free one
	Address string // by which others reach it; "" is where it listens
	// BytesPerSecond that are sent to all others together; 0 is no limit.
	BytesPerSecond int64
	Key            ed25519.PrivateKey // of this host
	HostID         func() string      // "" before the host has joined
	// ModelsDir returns the folder of Ollama's models; "" is not known.
	ModelsDir func() string
	// Fetching reports whether Ollama serves, without which no more of a blob comes.
	Fetching func() bool
	Log      hclog.Logger
	Now      func() time.Time
}

// Server serves other hosts. Its methods may be called concurrently.
type Server struct {
	Options
	listener net.Listener
	slots    chan struct{} // of requests under way
	limit    *rate.Limiter
	timing   timing
	sent     atomic.Int64

	mu    sync.Mutex
	terms terms
}

// terms are those under which others are served.
type terms struct {
	ticketKey ed25519.PublicKey
	over      chan struct{} // closed when there are others
}

// timing is how long is waited; tests have less patience.
type timing struct {
	appear time.Duration // for a blob of which nothing is there yet
	still  time.Duration // for more of one
	write  time.Duration // for who reads
}

// Listen begins to listen. The caller runs the server, or closes it.
func Listen(ctx context.Context, o Options) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for other hosts: %w", err)
	}
	if o.Address == "" {
		o.Address = listener.Addr().String()
	}
	limit := rate.NewLimiter(rate.Inf, pieceBytes)
	if o.BytesPerSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(o.BytesPerSecond), pieceBytes)
	}
	return &Server{
		Options: o, listener: listener, slots: make(chan struct{}, maxRequests), limit: limit, terms: terms{over: make(chan struct{})},
		timing: timing{appear: 8 * time.Second, still: 20 * time.Second, write: 30 * time.Second},
	}, nil
}

// Trust has tickets be taken that this key signed, and no others; none is nobody's. What
// is being sent for one that is taken no longer breaks off.
func (s *Server) Trust(ticketKey ed25519.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Equal(ticketKey, s.terms.ticketKey) {
		return
	}
	close(s.terms.over)
	s.terms = terms{ticketKey, make(chan struct{})}
}

func (s *Server) current() terms {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terms
}

// SentBytes returns how much of blobs was sent so far.
func (s *Server) SentBytes() int64 { return s.sent.Load() }

// Serving returns how many requests are under way.
func (s *Server) Serving() int { return len(s.slots) }

// Close ends a server that is not run.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends, and returns when all that it began has ended.
func (s *Server) Run(ctx context.Context) error {
	own, err := serverCertificate(s.Key, s.Now())
	if err != nil {
		return errors.Join(err, s.listener.Close())
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth: tls.RequireAnyClientCert, // whose it has to be says the ticket
	}
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    s.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}), // strangers' handshakes
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	s.Log.Info("other hosts may get models from here", "listen", s.listener.Addr().String(), "address", s.Address)
	err = server.Serve(tls.NewListener(netutil.LimitListener(s.listener, maxConnections), config))
	for range cap(s.slots) { // none is given away any more
		s.slots <- struct{}{}
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve other hosts: %w", err)
	}
	return nil
}
