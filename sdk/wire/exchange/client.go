package exchange

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Client sends requests over kept connections. Its methods may be called
// concurrently.
type Client struct {
	dial        func(ctx context.Context) (net.Conn, error)
	host        string // the value of every request's Host field
	maxIdle     int
	idleTimeout time.Duration

	mu     sync.Mutex
	idle   []*clientConn // the most recently used last
	closed bool
}

// NewClient returns a client that opens connections with dial, names host in
// its requests and keeps at most maxIdle connections. One that had no request
// for idleTimeout is not used again; it is closed when the client next is.
func NewClient(dial func(ctx context.Context) (net.Conn, error), host string, maxIdle int, idleTimeout time.Duration) *Client {
	return &Client{dial: dial, host: host, maxIdle: maxIdle, idleTimeout: idleTimeout}
}

// Request is one request.
type Request struct {
	Method string
	Target string    // path and query
	Fields Fields    // without Host and without what delimits the body
	Body   io.Reader // nil for none
	Length int64     // of Body in bytes; -1 when it is not known

	// Retry allows one more attempt on a new connection when a kept one turns
	// out to be dead before any byte of the response came. Body must be nil or
	// an io.Seeker at its start.
	Retry bool
}

// check refuses what would not stay within its line.
func (r *Request) check() error {
	if !visible(r.Method) || !visible(r.Target) {
		return fmt.Errorf("%w: request line %q %q", errHead, r.Method, r.Target)
	}
	return nil
}

// Response is the answer to a request. Body must be closed; closing it before
// its end ends the connection, by which the other side learns that nobody wants
// the rest. Fields are valid until then.
type Response struct {
	Status int
	Fields Fields
	Length int64 // of Body in bytes; -1 when it is not known
	Body   io.ReadCloser

	body *responseBody
}

// Await returns when more of the body has come, or its end: who reads only then
// needs to hold no memory while there is nothing to read. How the body ended is
// for Body's Read to tell.
func (r *Response) Await() { r.body.await() }

// Error says at which step an exchange failed.
type Error struct {
	Op        string // "dial", "write" or "read"
	Responded bool   // the response's head had come already
	Err       error
}

// Error returns the step and its cause.
func (e *Error) Error() string { return "exchange: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Do sends a request and returns its response once the head has come. A
// response that comes earlier than the end of the request's body is returned
// when the other side has taken the body, or takes no more of it. Ending ctx
// ends the exchange at any time until the response's body is closed, and with
// it whatever the other side does for it; a read of the request's body that
// hangs is the caller's to end.
func (c *Client) Do(ctx context.Context, req *Request) (*Response, error) {
	if err := req.check(); err != nil {
		return nil, &Error{Op: "write", Err: err}
	}
	conn, kept, err := c.get(ctx)
	if err != nil {
		return nil, &Error{Op: "dial", Err: err}
	}
	res, err := conn.do(ctx, req)
	if err == nil || !kept || !req.Retry || ctx.Err() != nil || conn.answered || errors.As(err, new(*sourceError)) {
		return res, err
	}
	if s, ok := req.Body.(io.Seeker); ok {
		if _, serr := s.Seek(0, io.SeekStart); serr != nil {
			return nil, err
		}
	} else if req.Body != nil {
		return nil, err
	}
	raw, derr := c.dial(ctx)
	if derr != nil {
		return nil, &Error{Op: "dial", Err: derr}
	}
	return newClientConn(c, raw).do(ctx, req)
}

// Close closes the connections that are idle; those in use are closed when
// their exchange ends.
func (c *Client) Close() error {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	var errs []error
	for _, conn := range idle {
		errs = append(errs, conn.raw.Close())
	}
	return errors.Join(errs...)
}

func (c *Client) get(ctx context.Context) (conn *clientConn, kept bool, err error) {
	c.mu.Lock()
	var stale []*clientConn
	if n := len(c.idle); n > 0 {
		newest := c.idle[n-1]
		if time.Since(newest.idleSince) < c.idleTimeout {
			conn, c.idle = newest, c.idle[:n-1]
		} else {
			stale, c.idle = c.idle, nil
		}
	}
	c.mu.Unlock()
	for _, s := range stale {
		s.raw.Close()
	}
	if conn != nil {
		return conn, true, nil
	}
	raw, err := c.dial(ctx)
	if err != nil {
		return nil, false, err
	}
	return newClientConn(c, raw), false, nil
}

// put keeps a connection for the next request.
func (c *Client) put(conn *clientConn) {
	now := time.Now()
	c.mu.Lock()
	var oldest *clientConn // one at a time is enough: each request ends here
	if len(c.idle) > 0 && now.Sub(c.idle[0].idleSince) >= c.idleTimeout {
		oldest = c.idle[0]
		c.idle = slices.Delete(c.idle, 0, 1)
	}
	keep := !c.closed && len(c.idle) < c.maxIdle
	if keep {
		conn.idleSince = now
		c.idle = append(c.idle, conn)
	}
	c.mu.Unlock()
	if !keep {
		conn.raw.Close()
	}
	if oldest != nil {
		oldest.raw.Close()
	}
}

// clientConn is one connection, with the memory that its exchanges reuse.
type clientConn struct {
	client    *Client
	raw       net.Conn
	br        *bufio.Reader
	out       []byte
	head      head
	answered  bool // a byte of the current response has come
	idleSince time.Time
}

// firstWrite is how much of a request's body goes out together with its head.
const firstWrite = 16 << 10

func newClientConn(c *Client, raw net.Conn) *clientConn {
	return &clientConn{client: c, raw: raw, br: bufio.NewReaderSize(raw, readBuffer)}
}

func (c *clientConn) do(ctx context.Context, req *Request) (*Response, error) {
	c.answered = false
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	res, err := c.roundTrip(req)
	if err != nil {
		stop()
		c.raw.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	b := &responseBody{
		body: newBody(c.br, &c.head), conn: c, stop: stop,
		cause: func() error { return context.Cause(ctx) },
	}
	if bodiless(req.Method, res.Status) {
		b.body = body{done: true}
		res.Length = 0
	}
	b.reuse = !c.head.close && !b.untilEnd
	res.Body, res.body = b, b
	return res, nil
}

func (c *clientConn) roundTrip(req *Request) (*Response, error) {
	werr := c.send(req)
	if errors.As(werr, new(*sourceError)) {
		return nil, &Error{Op: "write", Err: werr} // nobody can answer half a request
	}
	if werr != nil {
		// The other side may have answered and closed without reading all of the body.
		c.raw.SetReadDeadline(time.Now().Add(time.Second))
		if res, err := c.receive(); err == nil {
			c.head.close = true
			c.raw.SetReadDeadline(time.Time{})
			return res, nil
		}
		return nil, &Error{Op: "write", Err: werr}
	}
	return c.receive()
}

func (c *clientConn) send(req *Request) error {
	out := append(c.out[:0], req.Method...)
	out = append(out, ' ')
	out = append(out, req.Target...)
	out = append(out, " HTTP/1.1\r\n"...)
	out = appendField(out, "Host", c.client.host)
	for _, f := range req.Fields {
		if !framing(f.Name) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	if req.Body == nil {
		if req.Method != "GET" && req.Method != "HEAD" {
			out = appendLength(out, 0)
		}
		out = append(out, "\r\n"...)
		c.out = out
		_, err := c.raw.Write(out)
		return err
	}
	out = append(appendLength(out, req.Length), "\r\n"...)
	c.out = out
	return c.sendBody(req)
}

// sendBody writes c.out, which holds the head, and then the body.
func (c *clientConn) sendBody(req *Request) error {
	left := req.Length
	for {
		head := len(c.out)
		size := firstWrite
		if left != unknownLength {
			size = int(min(left, firstWrite))
		}
		c.out = slices.Grow(c.out, size)
		room := c.out[head : head+size]
		n, err := io.ReadFull(req.Body, room)
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !ended {
			return &sourceError{err}
		}
		c.out = c.out[:head+n]
		if left == unknownLength {
			c.out = chunkInPlace(c.out, head, ended)
		} else if left -= int64(n); left > 0 && ended {
			return &sourceError{fmt.Errorf("it ended %d bytes early: %w", left, io.ErrUnexpectedEOF)}
		}
		if _, err := c.raw.Write(c.out); err != nil {
			return err
		}
		if left == 0 || ended {
			return nil
		}
		c.out = c.out[:0]
	}
}

// sourceError is a request's body that could not be read, by no fault of the
// connection.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read the request's body: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// chunkInPlace makes the bytes of out from start on a chunk, and adds the last
// chunk where the body has ended.
func chunkInPlace(out []byte, start int, ended bool) []byte {
	if n := len(out) - start; n > 0 {
		var line [20]byte
		prefix := append(strconv.AppendInt(line[:0], int64(n), 16), "\r\n"...)
		out = append(out, prefix...)
		copy(out[start+len(prefix):], out[start:start+n])
		copy(out[start:], prefix)
		out = append(out, "\r\n"...)
	}
	if ended {
		out = append(out, "0\r\n\r\n"...)
	}
	return out
}

func (c *clientConn) receive() (*Response, error) {
	for {
		_, err := c.br.Peek(1)
		c.answered = c.answered || err == nil
		if err == nil {
			err = readHead(c.br, &c.head)
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, &Error{Op: "read", Err: err}
		}
		status, err := strconv.Atoi(c.head.second)
		if err != nil || status < 100 || status > 599 || c.head.speaks(c.head.first) != nil {
			return nil, &Error{Op: "read", Err: errHead}
		}
		if status >= 200 {
			return &Response{Status: status, Fields: c.head.fields, Length: c.head.length}, nil
		}
	}
}

// responseBody gives the connection back at its end, or ends it.
type responseBody struct {
	body
	conn   *clientConn
	cause  func() error // why the exchange's context ended; nil while it has not
	stop   func() bool
	reuse  bool
	closed bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF {
		if cause := b.cause(); cause != nil {
			return n, cause
		}
		return n, &Error{Op: "read", Responded: true, Err: err}
	}
	return n, err
}

// Close ends the exchange.
func (b *responseBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	inTime := b.stop()
	if b.body.done && b.reuse && inTime && b.conn.br.Buffered() == 0 {
		b.conn.client.put(b.conn)
		return nil
	}
	return b.conn.raw.Close()
}
