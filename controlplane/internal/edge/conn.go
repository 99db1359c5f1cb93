package edge

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Bounds that clients can't change.
const (
	idleTimeout     = 2 * time.Minute // between two requests on one connection
	crowdedTimeout  = 5 * time.Second // for the head, on connections over the limit
	lingerTime      = 5 * time.Second // for what a refused client still sends
	lingerBytes     = 64 << 20
	tlsRecordHeader = 0x16 // the first byte of a TLS handshake, and of no HTTP method
)

// conn is what fasthttp serves: plain HTTP or TLS, told apart by the first byte
// when somebody reads it, so that accepting never waits for a client.
type conn struct {
	*transport
	owner  *listener
	remote netip.Addr
	secure atomic.Pointer[tls.Conn] // nil until a TLS client has said so

	sniffed   bool // the methods for fasthttp run in one goroutine
	requests  int
	answering bool // one of them, of which not all has left

	state    atomic.Int32           // a fasthttp.ConnState
	crowded  atomic.Bool            // was over the limit when it was accepted
	exempt   atomic.Bool            // serves an exempt route and so doesn't count
	peerDone atomic.Bool            // the peer will send nothing more
	linger   atomic.Bool            // something unread is on its way when the connection closes
	lost     atomic.Pointer[func()] // what to do when a hijack handler never starts
	closing  sync.Once
}

// Read implements net.Conn. An error comes after the data before it, never with it.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if n > 0 {
		return n, nil
	}
	if err == io.EOF {
		c.peerDone.Store(true)
	}
	return n, err
}

func (c *conn) read(p []byte) (int, error) {
	if t := c.secure.Load(); t != nil {
		return t.Read(p)
	}
	n, err := c.Conn.Read(p)
	if c.sniffed || n == 0 {
		return n, err
	}
	return c.sniff(p, n, err)
}

// sniff finds out what the client speaks, by the first n bytes of it, and greets it
// where that is TLS.
func (c *conn) sniff(p []byte, n int, err error) (int, error) {
	c.sniffed = true
	if p[0] != tlsRecordHeader || c.owner.tls == nil {
		return n, err
	}
	first := make([]byte, n)
	copy(first, p)
	done, err := c.owner.greetings.begin()
	if err != nil {
		return 0, err
	}
	defer done() // of a handshake that fails early
	t := tls.Server(&prefixed{transport: c.transport, first: first, greeted: done}, c.owner.tls)
	c.secure.Store(t)
	return t.Read(p) // after the handshake
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if t := c.secure.Load(); t != nil {
		return t.Write(p)
	}
	return c.transport.Write(p)
}

// Close implements net.Conn. After an answer that came before the end of its
// request, it reads on for a while: closing at once would reset the connection
// and the client would never see the answer.
func (c *conn) Close() error {
	c.closing.Do(func() {
		if c.linger.Load() {
			c.drain()
		}
		if t := c.secure.Load(); t != nil {
			_ = t.Close() // says goodbye; the transport below is closed in any case
		}
		_ = c.Conn.Close()
		c.owner.forget(c)
	})
	if lost := c.lost.Swap(nil); lost != nil {
		(*lost)()
		c.owner.upgraded.add(-1)
	}
	return nil
}

// handOver counts the connection among the upgraded ones, before its hijack
// handler starts. Should the connection end before that, lost is called.
func (c *conn) handOver(lost func()) {
	c.owner.upgraded.add(1)
	c.lost.Store(&lost)
}

// takeOver is the hijack handler's first word; the count is its to end.
func (c *conn) takeOver() { c.lost.Store(nil) }

func (c *conn) drain() {
	if t := c.secure.Load(); t != nil {
		_ = t.CloseWrite()
	}
	if c.closeWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}

// abort cuts the connection. Whoever serves it notices and closes it.
func (c *conn) abort() { _ = c.Conn.Close() }

// answers counts a request in, until all of its answer has left. Fasthttp is done with the
// body before that: the last bytes lie in its buffer still.
func (c *conn) answers() {
	c.answering = true
	c.owner.requests.add(1)
}

// moved follows the connection's life and arms the deadlines that belong to it.
func (c *conn) moved(state fasthttp.ConnState) {
	c.state.Store(int32(state))
	if c.answering && state != fasthttp.StateActive {
		c.answering = false
		c.owner.requests.add(-1)
	}
	switch state {
	case fasthttp.StateActive:
		timeout := c.owner.policy().progressTimeout()
		c.writeTimeout.Store(int64(timeout))
		// The first head has had its deadline since the connection was accepted.
		if c.requests++; c.requests > 1 {
			c.readWithin(timeout)
		}
	case fasthttp.StateIdle:
		c.readWithin(idleTimeout)
	}
}

// readWithin gives the peer this long for whatever is read next. An error means
// that the connection is closed, which the next read tells better.
func (c *conn) readWithin(d time.Duration) { _ = c.Conn.SetReadDeadline(time.Now().Add(d)) }

// prefixed is a transport of which some bytes were read already, the beginning of a
// TLS handshake.
type prefixed struct {
	*transport
	first   []byte
	greeted func() // called whenever the peer is waited for or answered
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) == 0 {
		p.greeted()
		return p.Conn.Read(b)
	}
	n := copy(b, p.first)
	if p.first = p.first[n:]; len(p.first) == 0 {
		p.first = nil // and its memory
	}
	return n, nil
}

// Write implements net.Conn.
func (p *prefixed) Write(b []byte) (int, error) {
	p.greeted()
	return p.transport.Write(b)
}

var (
	_ net.Conn = (*conn)(nil)
	_ net.Conn = (*prefixed)(nil)
)
