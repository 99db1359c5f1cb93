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
// answer, for which it is enough that it closes its half of the connection;
// while a body of more than [smallBody] bytes is still being read, the read
// fails instead. An error that is returned before the reply was started is
// answered with a bare 500, and its cause is the handler's to log; afterwards it
// ends the connection, so that a broken answer is never taken for a whole one.
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

// maxUnread is how much of a body that a handler left unread is taken off the
// connection, in bytes. A side that is still sending reads the answer only
// afterwards; past this the connection ends under it.
const maxUnread = 256 << 20

// Serve answers the requests on one connection, one after the other, until the
// other side ends it, ctx ends, or an answer fails. It closes the connection.
// While a handler works the connection is watched, so that a side that goes
// away is seen at once and not at the next write.
func Serve(ctx context.Context, conn net.Conn, handler Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &serverConn{
		conn: conn, br: bufio.NewReaderSize(conn, readBuffer), handler: handler,
		watch: make(chan struct{}, 1), answer: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s.watch <- struct{}{}
	s.answer <- struct{}{}
	var other sync.WaitGroup
	other.Go(func() { s.take(ctx) })
	s.take(ctx)
	other.Wait()
	err := ignoreClosed(conn.Close())
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(s.err, err)
}

// serverConn is one connection, served by two goroutines in turn. One watches
// for the next request while the other answers; the one that sees the request
// come answers it, and the other begins to watch. So a request goes from the
// connection to its handler without changing goroutines.
type serverConn struct {
	conn    net.Conn
	br      *bufio.Reader
	handler Handler
	head    head
	small   []byte // the request's body, when it is small
	body    requestBody
	in      Incoming
	reply   Reply

	watch  chan struct{} // held by the goroutine that reads from the connection
	answer chan struct{} // held by the one that answers
	ended  chan struct{} // closed when the connection is of no more use

	mu     sync.Mutex
	cancel context.CancelFunc // of the request that is being answered
	err    error              // why the connection ended, unless it simply did
}

// take takes turns with the other goroutine until the connection has ended.
func (s *serverConn) take(ctx context.Context) {
	for {
		select {
		case <-s.watch:
		case <-s.ended:
			return
		}
		if _, err := s.br.Peek(1); err != nil {
			s.end(err)
			return
		}
		select {
		case <-s.answer:
		case <-s.ended:
			return
		}
		if err := s.next(ctx); err != nil {
			s.end(err)
			return
		}
		s.answer <- struct{}{}
	}
}

// end stops whatever is being answered: nobody waits for it any more.
func (s *serverConn) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return
	default:
	}
	close(s.ended)
	s.err = ignoreClosed(err)
	if s.cancel != nil {
		s.cancel()
	}
	s.conn.Close() // frees a handler that is blocked in a write
}

// next reads a request and has it answered. It lets the other goroutine watch
// as soon as the request has been read to its end.
func (s *serverConn) next(ctx context.Context) error {
	if err := readHead(s.br, &s.head); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	closing := s.head.close
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	if s.body.told {
		s.watch <- struct{}{}
	}
	err := s.respond(ctx)
	if err == nil && closing {
		err = io.EOF
	}
	return err
}

// prepare makes the request that the handler will see.
func (s *serverConn) prepare() error {
	h := &s.head
	if err := h.speaks(h.third); err != nil {
		return err
	}
	if h.length == unknownLength && !h.chunked {
		h.length = 0 // a request without either has no body
	}
	s.body = requestBody{body: newBody(s.br, h), watch: s.watch}
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

// respond has the handler answer. An error means that what was sent cannot be
// completed, or that what was not read is in the way of the next request.
func (s *serverConn) respond(ctx context.Context) error {
	s.reply = Reply{conn: s.conn, out: s.reply.out[:0], head: s.in.Method == "HEAD"}
	err := s.call(ctx)
	switch {
	case err == nil:
		err = s.reply.end()
	case !s.reply.started:
		err = s.reply.Send(500, nil, nil) // the connection is as good as before
	}
	if err == nil && !s.body.told {
		err = s.body.discard()
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

// requestBody lets the other goroutine watch once it has been read to its end.
type requestBody struct {
	body  body
	watch chan<- struct{}
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

// discard reads what is left of the body, up to a limit.
func (b *requestBody) discard() error {
	if _, err := io.CopyN(io.Discard, b, maxUnread); err != io.EOF {
		return errors.Join(errors.New("exchange: the request's body was left unread"), err)
	}
	return nil
}

func (b *requestBody) end() {
	b.told = true
	b.watch <- struct{}{}
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
	if status != 204 { // whose length goes without saying
		out = appendLength(out, length)
	}
	out = append(out, "\r\n"...)
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
