package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// streams is a route whose handler hands each of its streams to the test.
func streams(watch bool) (Route, chan *trickle) {
	began := make(chan *trickle, 10)
	return Route{Method: "GET", Path: "/stream", Permission: Read, Watch: watch, Handler: func(ctx context.Context, _ *Request) (*Response, error) {
		s := newTrickle(ctx)
		began <- s
		return &Response{Stream: s, Header: []HeaderField{{Name: "Content-Type", Value: "text/event-stream"}}}, nil
	}}, began
}

const keyed = "Authorization: Bearer LEAKMARKER-admin"

func TestEachReadIsOneChunkAtOnce(t *testing.T) {
	route, began := streams(false)
	f := start(t, Snapshot{}, route)
	c := f.dial()
	io.WriteString(c, head("GET", "/stream", f.addr, keyed))
	s, r := await(t, began, "the handler"), bufio.NewReader(c)
	for i, piece := range []string{"one", "two", "three"} {
		s.pieces <- piece
		if i == 0 {
			for line := "x"; line != "\r\n"; {
				line, _ = r.ReadString('\n')
			}
		}
		want := string(rune('0'+len(piece))) + "\r\n" + piece + "\r\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Fatalf("the chunk arrived as %q, %v", got, err)
		}
	}
	close(s.pieces)
	if rest, _ := io.ReadAll(io.LimitReader(r, 5)); string(rest) != "0\r\n\r\n" {
		t.Errorf("the stream ended with %q", rest)
	}
	await(t, s.over, "Close")
	await(t, s.ctx.Done(), "the context's end")
	f.shutdown()
	if n := s.closed.Load(); n != 1 {
		t.Errorf("Close was called %d times", n)
	}
}

func TestHTTP10GetsItsStreamWithoutChunks(t *testing.T) {
	route, began := streams(false)
	f := start(t, Snapshot{}, route)
	c := f.dial()
	io.WriteString(c, "GET /stream HTTP/1.0\r\nHost: h\r\n"+keyed+"\r\n\r\n")
	s := await(t, began, "the handler")
	s.pieces <- "one "
	s.pieces <- "two"
	close(s.pieces)
	all, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(all), "\r\n\r\none two") || strings.Contains(strings.ToLower(string(all)), "transfer-encoding") {
		t.Errorf("HTTP/1.0 got %q, %v", all, err)
	}
	await(t, s.over, "Close")
}

func TestStreamOfKnownLength(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/file", Permission: Read, Handler: func(context.Context, *Request) (*Response, error) {
		return &Response{Stream: io.NopCloser(strings.NewReader("hello")), StreamBytes: 5}, nil
	}})
	status, header, body := f.get("/file")
	if status != 200 || header.Get("Content-Length") != "5" || body != "hello" {
		t.Errorf("%d %v %q", status, header, body)
	}
	if status, header, body := f.raw(head("HEAD", "/file", f.addr, keyed)); status != 200 || header.Get("Content-Length") != "5" || body != "" {
		t.Errorf("HEAD: %d %v %q", status, header, body)
	}
}

// A file is read in large pieces, arrives whole, and is cut where it breaks off.
func TestALargeFile(t *testing.T) {
	content := make([]byte, 3<<20+5)
	for i := range content {
		content[i] = byte(i * i >> 7)
	}
	var reads atomic.Int64
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/file", Permission: Read, Handler: func(_ context.Context, r *Request) (*Response, error) {
		var from io.Reader = bytes.NewReader(content)
		if r.Query.Get("broken") != "" {
			from = io.MultiReader(bytes.NewReader(content[:1<<20]), failing{})
		}
		return &Response{Stream: io.NopCloser(counted{from, &reads}), StreamBytes: int64(len(content))}, nil
	}})
	for range 2 {
		if status, _, body := f.get("/file"); status != 200 || body != string(content) {
			t.Errorf("%d with %d bytes, which are others or not all", status, len(body))
		}
	}
	if n := reads.Load(); n > 2*(3<<20/pieceBytes+3) {
		t.Errorf("it was read %d times", n)
	}
	if status, header, body := f.raw(head("HEAD", "/file", f.addr, keyed)); status != 200 || header.Get("Content-Length") != "3145733" || body != "" {
		t.Errorf("HEAD: %d %v %q", status, header, body)
	}
	if _, _, body := f.get("/file?broken=1"); len(body) > 1<<20+20 || !strings.HasSuffix(body, "!unexpected EOF") {
		t.Errorf("one that breaks off has %d bytes, and ends with %q", len(body), body[max(0, len(body)-20):])
	}
	eventually(t, func() bool { return strings.Contains(f.log.String(), "the upstream broke") })
}

// counted counts how often it is read.
type counted struct {
	io.Reader

	reads *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Reader.Read(p)
}

// An answer that breaks off must not look like a complete one.
func TestBrokenStreamIsCut(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/broken", Permission: Read, Handler: func(context.Context, *Request) (*Response, error) {
		return &Response{Stream: io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{}))}, nil
	}})
	if _, _, body := f.get("/broken"); body != "half!unexpected EOF" {
		t.Errorf("the client saw %q", body)
	}
	eventually(t, func() bool { return strings.Contains(f.log.String(), "the upstream broke") })
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the upstream broke") }

// A client that leaves while nothing flows is noticed within a second, before
// the first byte and after it, with and without TLS.
func TestLeavingIsNoticed(t *testing.T) {
	waiting := make(chan context.Context, 1)
	stream, began := streams(true)
	f := start(t, Snapshot{}, stream, Route{Method: "GET", Path: "/wait", Permission: Read, Watch: true, Handler: func(ctx context.Context, _ *Request) (*Response, error) {
		waiting <- ctx
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}})
	for name, dial := range map[string]func() net.Conn{"plain": f.dial, "tls": f.dialTLS} {
		c := dial()
		io.WriteString(c, head("GET", "/wait", f.addr, keyed))
		ctx := await(t, waiting, "the handler")
		left := time.Now()
		c.Close()
		await(t, ctx.Done(), "the context's end")
		if took := time.Since(left); took > time.Second || !errors.Is(context.Cause(ctx), ErrClientLeft) {
			t.Errorf("%s: noticed after %v: %v", name, took, context.Cause(ctx))
		}

		c = dial()
		io.WriteString(c, head("GET", "/stream", f.addr, keyed))
		s := await(t, began, "the handler")
		s.pieces <- "token"
		c.Read(make([]byte, 1))
		left = time.Now()
		c.Close()
		await(t, s.over, "Close")
		if took := time.Since(left); took > time.Second {
			t.Errorf("%s: the stream was closed after %v", name, took)
		}
	}
}

// A watch ends with its request: it neither fires for the next one on the same
// connection, nor when more requests wait in the pipeline, nor for another
// connection that got the same descriptor.
func TestWatchEndsWithItsRequest(t *testing.T) {
	var cancelled atomic.Int32
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/x", Permission: Read, Watch: true, Handler: func(ctx context.Context, _ *Request) (*Response, error) {
		select {
		case <-ctx.Done():
			cancelled.Add(1)
		case <-time.After(2 * time.Millisecond):
		}
		return Text(200, "ok"), nil
	}})
	request := head("GET", "/x", f.addr, keyed)
	c := f.dial()
	io.WriteString(c, strings.Repeat(request, 20)) // a pipeline
	r := bufio.NewReader(c)
	for i := range 20 {
		if status, _, _ := answer(t, r, request); status != 200 {
			t.Fatalf("request %d of the pipeline: %d", i, status)
		}
	}
	for range 100 { // descriptors are reused right away
		d := f.dial()
		if status, _, _ := exchange(t, d, request); status != 200 {
			t.Fatalf("status %d", status)
		}
		d.Close()
	}
	if status, _, _ := exchange(t, c, request); status != 200 {
		t.Errorf("the kept connection: %d", status)
	}
	if n := cancelled.Load(); n != 0 {
		t.Errorf("%d requests of clients that stayed were cancelled", n)
	}
}

func TestSlowReaderIsCut(t *testing.T) {
	route, began := streams(false)
	f := start(t, Snapshot{ProgressTimeout: 300 * time.Millisecond}, route)
	for name, dial := range map[string]func() net.Conn{"plain": f.dial, "tls": f.dialTLS} {
		c := dial()
		io.WriteString(c, head("GET", "/stream", f.addr, keyed))
		s := await(t, began, "the handler")
		piece := strings.Repeat("x", 4096)
		for cut := false; !cut; {
			select {
			case s.pieces <- piece: // fills the sockets' buffers, then stalls
			case <-s.over:
				cut = true
			case <-time.After(patience):
				t.Fatalf("%s: a client that does not read was not cut", name)
			}
		}
	}
}

func TestRevocationEndsAStream(t *testing.T) {
	route, began := streams(false)
	f := start(t, Snapshot{}, route)
	c := f.dial()
	io.WriteString(c, head("GET", "/stream", f.addr, keyed))
	s := await(t, began, "the handler")
	close(f.keys.gone)
	await(t, s.over, "Close")
	if cause := context.Cause(s.ctx); !errors.Is(cause, ErrRevoked) {
		t.Errorf("the stream ended because %v", cause)
	}
}

// What a stream has to say when its answer has to end is still sent, unless it
// does not come to an end.
func TestLastWordsAreSent(t *testing.T) {
	read := func(from io.Reader) (string, error) {
		o := &outflow{
			from: io.NopCloser(from), over: func() error { return ErrShutdown },
			guard: func(string, *error) {}, failed: func(error) {},
		}
		all, err := io.ReadAll(o)
		return string(all), err
	}
	if got, err := read(strings.NewReader("last words")); got != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := read(endless{}); !errors.Is(err, ErrShutdown) {
		t.Errorf("a stream without an end was read for %d bytes, %v", len(got), err)
	}
}

// endless is a stream that does not look at its context.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestPanicsAreContained(t *testing.T) {
	f := start(t, Snapshot{},
		Route{Method: "GET", Path: "/handler", Permission: Read, Handler: func(context.Context, *Request) (*Response, error) { panic("in the handler") }},
		Route{Method: "GET", Path: "/stream", Permission: Read, Handler: func(context.Context, *Request) (*Response, error) {
			return &Response{Stream: panicking{}}, nil
		}},
		Route{Path: "/socket", Permission: Read, Socket: func(context.Context, *Request, *Socket) error { panic("in the socket") }},
		Route{Path: "/link", Permission: Read, Upgrade: func(_ context.Context, _ *Request, c *wsConn) error { panic("in the link") }})
	if status, _, body := f.get("/handler"); status != 500 || !strings.Contains(body, `"internal"`) {
		t.Errorf("handler: %d %s", status, body)
	}
	if status, _, body := f.get("/stream"); status != 0 { // cut: the head goes out with the first piece
		t.Errorf("stream: %d %q", status, body)
	}
	for _, path := range []string{"/socket", "/link"} {
		if _, _, err := f.mustWebsocket(path).ReadMessage(); closeCode(err) != CloseInternal {
			t.Errorf("%s: %v", path, err)
		}
	}
	eventually(t, func() bool { return f.Stats().Panics == 5 }) // the stream's in Read and in Close
	for _, place := range []string{"in the handler", "in Read", "in Close", "in the socket", "in the link"} {
		if n := strings.Count(f.log.String(), "panic=\""+place); n != 1 {
			t.Errorf("the panic %s was logged %d times:\n%s", place, n, f.log)
		}
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("in Read") }
func (panicking) Close() error             { panic("in Close") }

func TestTLSAndPlainOnOnePort(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/x", Permission: Read, Handler: echo})
	idle := f.dial() // says nothing and keeps nobody waiting
	defer idle.Close()
	request := head("GET", "/x", f.addr, keyed)
	for want, c := range map[bool]net.Conn{false: f.dial(), true: f.dialTLS()} {
		for range 2 {
			if status, _, body := exchange(t, c, request); status != 200 || decode(t, body)["tls"] != want {
				t.Errorf("tls %v: %d %s", want, status, body)
			}
		}
	}
	broken := f.dial()
	io.WriteString(broken, "\x16\x03\x01garbage that is no handshake")
	if answer, err := io.ReadAll(broken); strings.Contains(string(answer), "HTTP") {
		t.Errorf("a broken handshake was answered with %q, %v", answer, err)
	}
	if status, _, _ := f.raw(request); status != 200 {
		t.Errorf("after a broken handshake: %d", status)
	}
	if !f.policy.CompareAndSwap(f.policy.Load(), &Snapshot{RequireTLS: true}) {
		t.Fatal("the policy changed meanwhile")
	}
	if status, _, _ := f.raw(request); status != 200 {
		t.Errorf("loopback under require_tls: %d", status)
	}
}
