package tunnel

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/corral-fleet/corral/sdk/wire"
)

// windowSize is how much one stream may be ahead of its reader, in bytes. On a
// long link a stream carries about half a window each round trip; a much larger
// one lets a bulk stream delay the small requests beside it.
const windowSize = 1 << 20

// Session carries many streams over one connection. Its methods may be called
// concurrently.
type Session struct {
	mux *yamux.Session
}

// Client starts the dialling side's session.
func Client(conn net.Conn) (*Session, error) {
	mux, err := yamux.Client(conn, config())
	return newSession(mux, err)
}

// Server starts the listening side's session.
func Server(conn net.Conn) (*Session, error) {
	mux, err := yamux.Server(conn, config())
	return newSession(mux, err)
}

func newSession(mux *yamux.Session, err error) (*Session, error) {
	if err != nil {
		return nil, fmt.Errorf("tunnel: start session: %w", err)
	}
	return &Session{mux: mux}, nil
}

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog = 1024
	c.EnableKeepAlive = false // the control stream's pings see more than the socket
	c.ConnectionWriteTimeout = wire.WriteTimeout
	c.StreamOpenTimeout = wire.WriteTimeout
	c.StreamCloseTimeout = 30 * time.Second
	c.MaxStreamWindowSize = windowSize
	c.LogOutput = io.Discard // whatever it says also reaches the caller as an error
	return c
}

// Open opens a stream to the peer.
func (s *Session) Open() (net.Conn, error) {
	stream, err := s.mux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("tunnel: open stream: %w", err)
	}
	return stream, nil
}

// Accept waits for a stream that the peer opens. It fails once the session has
// ended.
func (s *Session) Accept() (net.Conn, error) {
	stream, err := s.mux.AcceptStream()
	if err != nil {
		return nil, fmt.Errorf("tunnel: accept stream: %w", err)
	}
	return stream, nil
}

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Close ends the session, all of its streams and the connection below.
func (s *Session) Close() error { return s.mux.Close() }
