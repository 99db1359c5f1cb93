// Package datasocket brings the two ends of a transfer together on a unix socket,
// beside the call that it belongs to. The schema of corral.storage.v1 says what
// passes there.
package datasocket

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// TokenBytes is how long a token is.
const TokenBytes = 32

// MaxPathBytes is how long the path of a socket may be, of Linux.
const MaxPathBytes = 107

// patience is how long a token is good for, and how long one may take to come.
const patience = 10 * time.Second

// name is that of the socket in its directory.
const name = "data"

// bufferBytes is how much the system is asked to keep of what was sent and not read
// yet. With the fifth that it keeps by itself each end waits for the other so often
// that it shows.
const bufferBytes = 1 << 20

// enlarge has a connection keep more of what is sent.
func enlarge(conn *net.UnixConn) { _ = conn.SetWriteBuffer(bufferBytes) } // it works with less

type token [TokenBytes]byte

// Listener is the plugin's end. Its methods may be called concurrently.
type Listener struct {
	listener *net.UnixListener

	mu        sync.Mutex
	closed    bool
	waiting   map[token]chan<- Arrival
	strangers map[*net.UnixConn]struct{} // who have not told a token yet
}

// Listen makes the socket in a directory that nobody else can enter. Until Serve is
// called nobody is let in.
func Listen(dir string) (*Listener, error) {
	path := filepath.Join(dir, name)
	if len(path) > MaxPathBytes {
		return nil, fault.New(fault.Invalid, "the path %s is too long for a socket, by %d bytes", path, len(path)-MaxPathBytes)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return &Listener{listener: l, waiting: map[token]chan<- Arrival{}, strangers: map[*net.UnixConn]struct{}{}}, nil
}

// Name returns the name of the socket in its directory.
func (l *Listener) Name() string { return name }

// Serve lets in who has a token, until the listener is closed.
func (l *Listener) Serve() error {
	var greeting sync.WaitGroup
	defer greeting.Wait()
	for {
		conn, err := l.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.arrived(conn) {
			greeting.Go(func() { l.greet(conn) })
		}
	}
}

// arrived notes a connection, and closes it after the end.
func (l *Listener) arrived(conn *net.UnixConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return false
	}
	l.strangers[conn] = struct{}{}
	return true
}

// greet hands a connection to the transfer that waits for its token, and closes any
// other.
func (l *Listener) greet(conn *net.UnixConn) {
	var t token
	var file *os.File
	err := conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		file, err = readToken(conn, &t)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	arrival := Arrival{conn, file}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.strangers, conn)
	came, ok := l.waiting[t]
	if err != nil || !ok {
		arrival.Close()
		return
	}
	delete(l.waiting, t)
	enlarge(conn)
	came <- arrival // which has room for the one
}

// Close ends Serve, and removes the socket. Connections that were accepted stay.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for conn := range l.strangers {
		conn.Close()
	}
	return l.listener.Close()
}

// Offer is a connection that is waited for.
type Offer struct {
	listener *Listener
	token    token
	came     chan Arrival
}

// Offer begins to wait for a connection. It has to be withdrawn.
func (l *Listener) Offer() *Offer {
	o := &Offer{listener: l, came: make(chan Arrival, 1)}
	_, _ = rand.Read(o.token[:]) // never fails
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[o.token] = o.came
	return o
}

// Token returns what the other end has to know.
func (o *Offer) Token() []byte { return o.token[:] }

// Accept returns the connection of whoever has the token.
func (o *Offer) Accept(ctx context.Context) (Arrival, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case arrival := <-o.came:
		o.came = nil
		return arrival, nil
	case <-ctx.Done():
		return Arrival{}, context.Cause(ctx)
	case <-timer.C:
		return Arrival{}, fault.New(fault.Unavailable, "the host did not come to the data socket").On(fault.Caller)
	}
}

// Withdraw ends the wait. A connection that was not accepted is closed.
func (o *Offer) Withdraw() {
	o.listener.mu.Lock()
	delete(o.listener.waiting, o.token)
	o.listener.mu.Unlock()
	select {
	case arrival := <-o.came: // never, when it was accepted
		arrival.Close()
	default:
	}
}
