package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// listen serves handler on a loopback port and returns its address.
func listen(t *testing.T, handler Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				if err := Serve(ctx, conn, handler); err != nil {
					t.Logf("a connection ended: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	return l.Addr().String()
}

func clientTo(t *testing.T, addr string) (c *Client, dials *int) {
	t.Helper()
	dials = new(int)
	c = NewClient(func(ctx context.Context) (net.Conn, error) {
		*dials++
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}, "stand-in", 4, time.Minute)
	t.Cleanup(func() { c.Close() })
	return c, dials
}

func echo(ctx context.Context, in *Incoming, out *Reply) error {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return err
	}
	return out.Send(200, Fields{{"Content-Type", "text/plain"}, {"X-Seen", in.Method + " " + in.Target}}, body)
}

func TestClientAgainstServer(t *testing.T) {
	c, dials := clientTo(t, listen(t, echo))
	f := func(method, target, body string, length int64) {
		t.Helper()
		req := &Request{Method: method, Target: target, Length: length}
		if body != "" {
			req.Body = strings.NewReader(body)
		}
		res, err := c.Do(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != body {
			t.Fatalf("body %q, %v; want %q", got, err, body)
		}
		if seen := res.Fields.Get("x-seen"); seen != method+" "+target {
			t.Fatalf("the server saw %q", seen)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f("GET", "/a?b=c", "", 0)
	f("POST", "/", "hello", 5)
	f("POST", "/chunked", "hello", unknownLength)
	long := strings.Repeat("0123456789", 20_000)
	f("POST", "/long", long, int64(len(long)))
	f("POST", "/long-chunked", long, unknownLength)
	if *dials != 1 {
		t.Errorf("%d connections were opened, want one that was kept", *dials)
	}
}

func TestClientAgainstNetHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stream":
			for range 3 {
				io.WriteString(w, "piece ")
				w.(http.Flusher).Flush()
			}
		case "/length":
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "four")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	c, dials := clientTo(t, srv.Listener.Addr().String())
	f := func(method, target string, status int, body string) {
		t.Helper()
		res, err := c.Do(t.Context(), &Request{Method: method, Target: target})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil || res.Status != status || string(got) != body {
			t.Fatalf("%s %s: %d %q, %v", method, target, res.Status, got, err)
		}
	}
	f("GET", "/stream", 200, "piece piece piece ")
	f("GET", "/length", 200, "four")
	f("HEAD", "/length", 200, "")
	f("GET", "/none", 204, "")
	f("GET", "/nothing", 404, "404 page not found\n")
	if *dials != 1 {
		t.Errorf("%d connections were opened, want 1", *dials)
	}
}

func TestNetHTTPAgainstServer(t *testing.T) {
	addr := listen(t, echo)
	for _, body := range []string{"", "small", strings.Repeat("x", 1<<20)} {
		res, err := http.Post("http://"+addr+"/p", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(got) != body {
			t.Fatalf("%d bytes came back of %d: %v", len(got), len(body), err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// serveFrom answers with the pieces that come through a channel.
func serveFrom(pieces <-chan string) Handler {
	return func(ctx context.Context, in *Incoming, out *Reply) error {
		out.Start(200, nil, unknownLength)
		for piece := range pieces {
			if _, err := out.Write([]byte(piece)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestPiecesArriveAsTheyAreSent(t *testing.T) {
	next := make(chan string)
	c, _ := clientTo(t, listen(t, serveFrom(next)))
	go func() { next <- "first" }()
	res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 100)
	for _, want := range []string{"first", "second", "third"} {
		n, err := res.Body.Read(buf)
		if err != nil || string(buf[:n]) != want {
			t.Fatalf("read %q, %v; want %q", buf[:n], err, want)
		}
		switch want {
		case "first":
			next <- "second"
		case "second":
			next <- "third"
		}
	}
	close(next)
	if n, err := res.Body.Read(buf); n != 0 || err != io.EOF {
		t.Fatalf("at the end: %d bytes, %v", n, err)
	}
}

func TestLeavingIsSeenBeforeTheFirstByte(t *testing.T) {
	started, left := make(chan struct{}), make(chan struct{})
	c, _ := clientTo(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		close(started)
		<-ctx.Done()
		close(left)
		return ctx.Err()
	}))
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-started; cancel(errors.New("the caller left")) }()
	_, err := c.Do(ctx, &Request{Method: "POST", Target: "/", Body: strings.NewReader("{}"), Length: 2})
	if err == nil || err.Error() != "the caller left" {
		t.Errorf("Do = %v, want the cause of the cancellation", err)
	}
	<-left
}

func TestClosingTheBodyEarlyStopsTheAnswer(t *testing.T) {
	stopped := make(chan struct{})
	c, _ := clientTo(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		defer close(stopped)
		out.Start(200, nil, unknownLength)
		for {
			if _, err := out.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return err
			}
		}
	}))
	res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	<-stopped
}

func TestBrokenAnswerIsNeverWhole(t *testing.T) {
	f := func(name string, handler Handler) {
		t.Helper()
		c, _ := clientTo(t, listen(t, handler))
		res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: read %q, %v; want an unexpected end", name, b, err)
		}
	}
	f("fails between chunks", func(ctx context.Context, in *Incoming, out *Reply) error {
		out.Start(200, nil, unknownLength)
		out.Write([]byte("half"))
		return errors.New("the runner died")
	})
	f("panics", func(ctx context.Context, in *Incoming, out *Reply) error {
		out.Start(200, nil, unknownLength)
		out.Write([]byte("half"))
		panic("bug")
	})
	f("shorter than announced", func(ctx context.Context, in *Incoming, out *Reply) error {
		out.Start(200, nil, 100)
		out.Write([]byte("half"))
		return nil
	})
}

func TestFailureBeforeTheAnswerIsA500(t *testing.T) {
	c, dials := clientTo(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		return errors.New("no")
	}))
	for range 2 {
		res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
		if err != nil || res.Status != 500 {
			t.Fatalf("%+v, %v", res, err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	if *dials != 1 {
		t.Errorf("%d dials: the connection should have been kept", *dials)
	}
}

func TestRetryOfAKeptConnectionThatDied(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	accepted := make(chan net.Conn, 8)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
			wg.Go(func() {
				if err := Serve(context.Background(), conn, echo); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	c, dials := clientTo(t, l.Addr().String())
	post := func(retry bool) error {
		res, err := c.Do(t.Context(), &Request{Method: "POST", Target: "/", Body: strings.NewReader("hi"), Length: 2, Retry: retry})
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		return err
	}
	kill := func() { (<-accepted).Close() }
	if err := post(true); err != nil {
		t.Fatal(err)
	}
	kill()
	if err := post(true); err != nil || *dials != 2 {
		t.Fatalf("a retriable request on a dead kept connection: %v after %d dials", err, *dials)
	}
	kill()
	if err := post(false); err == nil {
		t.Fatal("a request that must not be repeated was repeated")
	}
}

func TestMalformedHeads(t *testing.T) {
	f := func(raw string) {
		t.Helper()
		var h head
		if err := readHead(bufio.NewReader(strings.NewReader(raw)), &h); err == nil || err == io.EOF {
			t.Errorf("%.40q was accepted: %+v", raw, h)
		}
	}
	f("GET\r\n\r\n")
	f("GET / HTTP/1.1\r\nno colon\r\n\r\n")
	f("GET / HTTP/1.1\r\nName : v\r\n\r\n")
	f("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
	f("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n")
	f("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
	f("GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
	f("GET / HTTP/1.1\r\nCut: of")
	f("GET / HTTP/1.1\r\nLong: " + strings.Repeat("x", maxHeadBytes) + "\r\n\r\n")
}

func TestHeaderInjectionIsLeftOut(t *testing.T) {
	got := string(appendField(appendField(nil, "A", "1\r\nEvil: 1"), "B", "2"))
	if got != "B: 2\r\n" {
		t.Errorf("wrote %q", got)
	}
}

func FuzzReadHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		br := bufio.NewReaderSize(bytes.NewReader(raw), 64)
		var h head
		if readHead(br, &h) != nil {
			return
		}
		b := newBody(br, &h)
		n, err := io.Copy(io.Discard, &b)
		if n > int64(len(raw)) {
			t.Fatalf("%d bytes of body from %d of input", n, len(raw))
		}
		if err == nil && h.length >= 0 && n != h.length {
			t.Fatalf("a body of %d bytes ended after %d without an error", h.length, n)
		}
	})
}
