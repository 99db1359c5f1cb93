package edge

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// listener wraps what it accepts and keeps account of what is open.
type listener struct {
	net.Listener
	tls    *tls.Config // nil: plain HTTP alone
	policy func() *Snapshot

	requests tally // being served, until the answer has left
	upgraded tally // hijacked connections whose handler has not ended
	open     tally // connections, upgraded ones included

	greetings greetings

	closing sync.Once
	closed  chan struct{}

	mu     sync.Mutex
	conns  map[*conn]struct{}
	exempt int // of conns
}

func newListener(ln net.Listener, config *tls.Config, policy func() *Snapshot) *listener {
	return &listener{Listener: ln, tls: config, policy: policy, greetings: newGreetings(), closed: make(chan struct{}), conns: map[*conn]struct{}{}}
}

// Accept implements net.Listener. It never waits for anything but a connection.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.accept()
	if err != nil {
		return nil, err
	}
	policy := l.policy()
	timeout := policy.progressTimeout()
	c := &conn{transport: &transport{Conn: raw}, owner: l, remote: addrOf(raw.RemoteAddr())}
	c.writeTimeout.Store(int64(timeout))
	if l.remember(c, policy.MaxConnections) {
		c.crowded.Store(true)
		timeout = min(timeout, crowdedTimeout)
	}
	c.readWithin(timeout)
	return c, nil
}

// accept waits out what passes by itself, such as a shortage of descriptors:
// fasthttp would stop serving for good.
func (l *listener) accept() (net.Conn, error) {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		raw, err := l.Listener.Accept()
		if err == nil || !passes(err) {
			return raw, err
		}
		// Nothing tells when descriptors are free again.
		select {
		case <-time.After(delay):
		case <-l.closed:
		}
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func passes(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// remember counts a connection in and reports whether it is one too many.
func (l *listener) remember(c *conn, limit int) bool {
	l.open.add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return limit > 0 && len(l.conns)-l.exempt > limit
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	delete(l.conns, c)
	if c.exempt.Load() {
		l.exempt--
	}
	l.mu.Unlock()
	l.open.add(-1)
}

// excuse takes a connection out of the count that the limit applies to.
func (l *listener) excuse(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.conns[c]; open && c.exempt.CompareAndSwap(false, true) {
		l.exempt++
	}
}

// full reports whether a connection that was one too many still is.
func (l *listener) full(c *conn, limit int) bool {
	if !c.crowded.Load() {
		return false
	}
	l.mu.Lock()
	over := limit > 0 && len(l.conns)-l.exempt > limit
	l.mu.Unlock()
	c.crowded.Store(over)
	return over
}

// abortAll cuts the connections for which which holds.
func (l *listener) abortAll(which func(*conn) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if which(c) {
			c.abort()
		}
	}
}

func isNew(c *conn) bool { return c.state.Load() == int32(fasthttp.StateNew) }
func isAny(*conn) bool   { return true }

// addrOf returns the peer's address in its shortest form: no zone, and an IPv4
// address as itself when the socket reports it mapped into IPv6.
func addrOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(tcp.IP)
	return addr.Unmap()
}

// tally counts things that somebody will wait for the end of.
type tally struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n is 0 again; nil while nobody waits
}

func (t *tally) add(d int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n += d
	if t.n == 0 && t.none != nil {
		close(t.none)
		t.none = nil
	}
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// zero returns a channel that is closed once nothing is left.
func (t *tally) zero() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if t.none == nil {
		t.none = make(chan struct{})
	}
	return t.none
}
