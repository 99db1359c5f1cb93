package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
)

// Handler answers one request. ctx ends when the other side no longer wants the
// answer; while a body of more than [smallBody] bytes is still being read, the
// read fails instead. An error that is returned before the reply was started is
// answered with a bare 500, and its cause is the handler's to log; afterwards it ends the connection, so that a broken answer
// is never taken for a whole one.
type Handler func(ctx context.Context, in *Incoming, out *Reply) error

// Incoming is a request as it came. It is valid until the handler returns.
type Incoming struct {
	Method string
	Target string // path and query
	Fields Fields
	Length int64     // of Body in bytes; -1 when it is not known
	Body   io.Reader // never nil
}

// smallBody is the size in bytes up to which a body of known length is read
// before the handler is called.
const smallBody = 64 << 10

// Serve answers the requests on one connection, one after the other, until the
// other side ends it, ctx ends, or an answer fails. It closes the connection.
// While a handler works the connection is watched, so that a side that goes
// away is seen at once and not at the next write.
func Serve(ctx context.Context, conn net.Conn, handler Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &serverConn{
		conn: conn, br: bufio.NewReaderSize(conn, 8<<10), handler: handler,
		requests: make(chan context.Context), bodyRead: make(chan struct{}), answered: make(chan error),
	}
	var worker sync.WaitGroup
	worker.Go(s.work)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := s.read(ctx)
	cancel()
	stop()
	err = errors.Join(err, ignoreClosed(conn.Close()))
	close(s.requests)
	worker.Wait()
	return err
}

// serverConn is one connection with two goroutines: one reads and thereby
// watches, one answers.
type serverConn struct {
	conn    net.Conn
	br      *bufio.Reader
	handler Handler
	head    head
	small   []byte // the request's body, when it is small
	body    requestBody
	in      Incoming
	reply   Reply

	requests chan context.Context // the reader hands a request over
	bodyRead chan struct{}        // the worker is done with the request's body
	answered chan error           // the worker is done with the request
}

func (s *serverConn) read(ctx context.Context) error {
	for {
		if err := readHead(s.br, &s.head); err != nil {
			if err == io.EOF || ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := s.prepare(); err != nil {
			return err
		}
		if err := s.exchange(ctx); err != nil {
			return err
		}
		if s.head.close {
			return nil
		}
	}
}

// prepare makes the request that the handler will see.
func (s *serverConn) prepare() error {
	h := &s.head
	if h.length == unknownLength && !h.chunked {
		h.length = 0 // a request without either has no body
	}
	s.body = requestBody{body: newBody(s.br, h), ended: s.bodyRead}
	s.in = Incoming{Method: h.first, Target: h.second, Fields: h.fields, Length: h.length, Body: &s.body}
	if h.chunked || h.length > smallBody {
		return nil
	}
	s.small = slices.Grow(s.small[:0], int(h.length))[:h.length]
	if _, err := io.ReadFull(s.br, s.small); err != nil {
		return fmt.Errorf("exchange: read the request's body: %w", err)
	}
	s.in.Body = bytes.NewReader(s.small)
	s.body.told = true
	return nil
}

// exchange has one request answered while it watches the connection.
func (s *serverConn) exchange(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	whole := s.body.told
	s.requests <- ctx
	if !whole {
		select {
		case <-s.bodyRead:
		case err := <-s.answered: // without having read the body; the next request cannot be found
			return err
		}
	}
	// Nothing may come before the answer has gone, so what ends this read is
	// either the next request or the other side's leaving.
	_, err := s.br.Peek(1)
	if err != nil {
		cancel()
		ignoreClosed(s.conn.Close()) // frees a handler that is blocked in a write
	}
	if aerr := <-s.answered; aerr != nil && err == nil {
		return aerr
	}
	if err == nil || err == io.EOF {
		return nil
	}
	return ignoreClosed(err)
}

func (s *serverConn) work() {
	for ctx := range s.requests {
		s.answered <- s.answer(ctx)
	}
}

// answer has the handler answer, and ends the connection where what was sent
// cannot be completed or what was not read is in the way.
func (s *serverConn) answer(ctx context.Context) error {
	s.reply = Reply{conn: s.conn, out: s.reply.out[:0], head: s.in.Method == "HEAD"}
	err := s.call(ctx)
	switch {
	case err == nil:
		err = s.reply.end()
	case !s.reply.started:
		err = s.reply.Send(500, nil, nil) // the connection is as good as before
	default:
		s.conn.Close()
	}
	if !s.body.told {
		s.conn.Close()
		err = errors.Join(err, errors.New("exchange: the handler left the request's body unread"))
	}
	return err
}

func (s *serverConn) call(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("exchange: the handler panicked: %v", p)
		}
	}()
	return s.handler(ctx, &s.in, &s.reply)
}

// requestBody tells the connection's reader when it has been read to its end.
type requestBody struct {
	body  body
	ended chan<- struct{}
	told  bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.told {
		return 0, io.EOF
	}
	n, err := b.body.Read(p)
	if b.body.done {
		b.end()
	}
	return n, err
}

func (b *requestBody) end() {
	b.told = true
	b.ended <- struct{}{}
}

// Reply is the answer to a request.
type Reply struct {
	conn    net.Conn
	out     []byte
	head    bool // of a HEAD request: the body is not sent
	started bool
	chunked bool
	left    int64
	ended   bool
}

// Send sends a whole answer.
func (r *Reply) Send(status int, fields Fields, body []byte) error {
	r.Start(status, fields, int64(len(body)))
	if len(body) > 0 {
		if _, err := r.Write(body); err != nil {
			return err
		}
	}
	return r.end()
}

// Start begins an answer whose body has the given length in bytes, -1 when it
// is not known. The head goes out with the first piece of the body, or with
// [Reply.Flush].
func (r *Reply) Start(status int, fields Fields, length int64) {
	out := append(r.out[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, " \r\n"...)
	for _, f := range fields {
		if !framing(f.Name) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	out = append(appendLength(out, length), "\r\n"...)
	r.out, r.started, r.chunked, r.left = out, true, length == unknownLength, length
}

// Started reports whether the answer has begun, so that it can no longer become
// another one.
func (r *Reply) Started() bool { return r.started }

// Write sends a piece of the body at once.
func (r *Reply) Write(p []byte) (int, error) { return r.write(p, false) }

// Last sends the last piece of the body together with its end.
func (r *Reply) Last(p []byte) (int, error) { return r.write(p, true) }

func (r *Reply) write(p []byte, last bool) (int, error) {
	switch {
	case !r.started || r.ended:
		return 0, errors.New("exchange: write outside of an answer")
	case r.head:
		return len(p), nil
	case r.chunked:
		r.appendChunk(p, last)
		r.ended = last
	default:
		if int64(len(p)) > r.left {
			return 0, errors.New("exchange: the answer is longer than it announced")
		}
		r.left -= int64(len(p))
		r.out = append(r.out, p...)
	}
	return len(p), r.Flush()
}

func (r *Reply) appendChunk(p []byte, last bool) {
	if len(p) > 0 {
		r.out = strconv.AppendInt(r.out, int64(len(p)), 16)
		r.out = append(r.out, "\r\n"...)
		r.out = append(r.out, p...)
		r.out = append(r.out, "\r\n"...)
	}
	if last {
		r.out = append(r.out, "0\r\n\r\n"...)
	}
}

// Flush sends what is waiting, the head for one.
func (r *Reply) Flush() error {
	if len(r.out) == 0 {
		return nil
	}
	_, err := r.conn.Write(r.out)
	r.out = r.out[:0]
	return err
}

func (r *Reply) end() error {
	switch {
	case !r.started:
		return r.Send(204, nil, nil)
	case r.ended:
		return nil
	}
	r.ended = true
	if r.chunked && !r.head {
		r.out = append(r.out, "0\r\n\r\n"...)
	} else if r.left > 0 && !r.head {
		r.conn.Close()
		return errors.New("exchange: the answer is shorter than it announced")
	}
	return r.Flush()
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
