package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bare is one end of a connection, for what no client or server of ours sends.
type bare struct {
	net.Conn
	br *bufio.Reader
}

func dial(t *testing.T, addr string) bare {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return bare{conn, bufio.NewReader(conn)}
}

// scripted serves each connection by the next one of the scripts.
func scripted(t *testing.T, scripts ...func(conn bare)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, script := range scripts {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); script(bare{conn, bufio.NewReader(conn)}) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// answer takes one request without a body and answers it with raw bytes.
func (b bare) answer(raw string) {
	if _, err := http.ReadRequest(b.br); err == nil {
		io.WriteString(b, raw)
	}
}

func TestAHalfClosedPeerCountsAsGone(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	conn := dial(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		close(started)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}))
	io.WriteString(conn, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
	<-started
	if err := conn.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestHostileRequests(t *testing.T) {
	addr := listen(t, echo)
	f := func(raw string) {
		t.Helper()
		conn := dial(t, addr)
		io.WriteString(conn, raw)
		conn.Conn.(*net.TCPConn).CloseWrite()
		// What was not read of it may end the connection with a reset.
		if got, _ := io.ReadAll(conn.br); bytes.Contains(got, []byte(" 200 ")) {
			t.Errorf("%.60q was answered with %.60q", raw, got)
		}
	}
	f("")
	f("\r\n\r\n")
	f("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	f("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f("GET /a b HTTP/1.1\r\n\r\n")
	f("GET /\r\n\r\n")
	f("POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n")
	f("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n")
	f("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nshort")
	f("POST / HTTP/1.1\r\nContent-Length: 9000000000000000000\r\n\r\nshort")
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nshort")
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n")
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n")
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("Trailer: 1\r\n", maxHeadBytes))
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 1<<16))
}

// TestALongLineIsNotTheEndOfTheHead sends a line that fills the reader's buffer
// to the last byte before its end, so that what is left of it looks empty.
func TestALongLineIsNotTheEndOfTheHead(t *testing.T) {
	for _, size := range []int{64, 65, 63} {
		br := bufio.NewReaderSize(strings.NewReader("GET / HTTP/1.1\r\nA: "+strings.Repeat("x", 2*size-3)+"\r\nContent-Length: 7\r\n\r\nsmuggle"), size)
		var h head
		if err := readHead(br, &h); err != nil {
			t.Fatal(err)
		}
		if len(h.fields) != 2 || h.length != 7 {
			t.Errorf("with a buffer of %d bytes the head ends early: %+v", size, h.fields)
		}
	}
}

func TestAReadAfterAnErrorIsNotTheEnd(t *testing.T) {
	br := bufio.NewReader(strings.NewReader("zz\r\n0\r\n\r\n"))
	b := newBody(br, &head{chunked: true, length: unknownLength})
	for range 3 {
		if _, err := b.Read(make([]byte, 10)); !errors.Is(err, errChunk) {
			t.Fatalf("Read = %v, want the same error for ever", err)
		}
	}
}

func TestInterimAnswersAreSkipped(t *testing.T) {
	c, _ := clientTo(t, scripted(t, func(conn bare) {
		conn.answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
	}))
	res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || res.Status != 200 || string(got) != "body" || res.Fields.Get("Link") != "" {
		t.Errorf("%d %q %v, %v", res.Status, got, res.Fields, err)
	}
}

func TestMalformedAnswers(t *testing.T) {
	f := func(raw string) {
		t.Helper()
		c, _ := clientTo(t, scripted(t, func(conn bare) { conn.answer(raw) }))
		res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
		var e *Error
		if !errors.As(err, &e) || e.Op != "read" {
			t.Errorf("%.40q was taken for %+v, %v", raw, res, err)
		}
	}
	f("")
	f("HTTP/1.1 200")
	f("HTTP/2 200 OK\r\n\r\n")
	f("ICY 200 OK\r\n\r\n")
	f("HTTP/1.1 20 OK\r\n\r\n")
	f("HTTP/1.1 600 OK\r\n\r\n")
	f("HTTP/1.1 ok OK\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n")
}

func TestABodyUntilTheEndEndsTheConnection(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
		script := func(conn bare) { conn.answer(version + " 200 OK\r\n\r\nall of it") }
		c, dials := clientTo(t, scripted(t, script, script))
		for range 2 {
			res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(res.Body); err != nil || string(got) != "all of it" {
				t.Errorf("%q, %v", got, err)
			}
			res.Body.Close()
		}
		if *dials != 2 {
			t.Errorf("%d dials: a connection that has ended was kept", *dials)
		}
	}
}

func TestNoRetryAfterTheFirstByte(t *testing.T) {
	whole := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for _, begun := range []string{"H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 100 Continue\r\n\r\n"} {
		c, dials := clientTo(t, scripted(t,
			func(conn bare) { conn.answer(whole); conn.answer(begun) },
			func(conn bare) { conn.answer(whole) },
		))
		res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/", Retry: true})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if _, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/", Retry: true}); err == nil || *dials != 1 {
			t.Errorf("after %q: %v with %d dials; an answer that has begun must not be asked for twice", begun, err, *dials)
		}
	}
}

func TestATrailerDoesNotHoldTheLastPieceBack(t *testing.T) {
	seen := make(chan struct{})
	c, _ := clientTo(t, scripted(t, func(conn bare) {
		conn.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlast\r\n0\r\nDigest: 1\r\n")
		<-seen
		io.WriteString(conn, "\r\n")
	}))
	res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 10)
	n, err := res.Body.Read(buf)
	if err != nil || string(buf[:n]) != "last" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	close(seen)
	if _, err := res.Body.Read(buf); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestWhatWouldBreakTheRequestLineIsRefused(t *testing.T) {
	c := NewClient(func(context.Context) (net.Conn, error) { return nil, errors.New("dialled") }, "stand-in", 1, time.Minute)
	for _, req := range []*Request{
		{Method: "GET", Target: ""},
		{Method: "", Target: "/"},
		{Method: "GET", Target: "/ HTTP/1.1\r\nEvil: 1\r\n\r\n"},
		{Method: "GET", Target: "/a b"},
		{Method: "GET /", Target: "/"},
	} {
		if _, err := c.Do(t.Context(), req); !errors.Is(err, errHead) {
			t.Errorf("%q %q: Do = %v", req.Method, req.Target, err)
		}
	}
}

func TestIdleConnectionsArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		var serving sync.WaitGroup
		c := NewClient(func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			open.Add(1)
			serving.Go(func() {
				if err := Serve(context.Background(), there, echo); err != nil {
					t.Error(err)
				}
				open.Add(-1)
			})
			return here, nil
		}, "stand-in", 3, time.Minute)
		hold := func(n int) {
			var held []*Response
			for range n {
				res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				held = append(held, res)
			}
			for _, res := range held {
				res.Body.Close()
			}
			synctest.Wait()
		}
		want := func(n int32, when string) {
			t.Helper()
			if got := open.Load(); got != n {
				t.Errorf("%s %d connections are open, want %d", when, got, n)
			}
		}
		hold(4)
		want(3, "past the number to keep")
		time.Sleep(30 * time.Second)
		hold(1)
		want(3, "before they were idle for long")
		time.Sleep(40 * time.Second) // one was used 40 s ago, two 70 s
		hold(1)
		want(2, "as one ends with each request")
		hold(1)
		want(1, "as one ends with each request")
		time.Sleep(time.Minute)
		hold(1)
		want(1, "when all were idle for long")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
		want(0, "after Close")
	})
}
