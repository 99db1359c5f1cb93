package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/standin"
)

const limit = 20 * time.Second

var chatBody = []byte(`{"model":"bench","messages":[{"role":"user","content":"hello"}]}`)

// startStandIn serves a stand-in for the length of a test, and returns its
// chat route's URL.
func startStandIn(t testing.TB, tokens int) string {
	t.Helper()
	s, err := standin.Start(context.Background(), standin.Options{Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.URL + "/api/chat"
}

// startRaw serves connections with a function that owns each of them.
func startRaw(t *testing.T, serve func(n int, conn net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(n, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return "http://" + ln.Addr().String() + "/api/chat"
}

func dial(t testing.TB, r Request) *Client {
	t.Helper()
	c, err := Dial(context.Background(), r, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientTimesAWholeStream(t *testing.T) {
	c := dial(t, Request{URL: startStandIn(t, 64), Body: chatBody})
	for range 3 {
		got, err := c.Chat()
		if err != nil {
			t.Fatal(err)
		}
		if got.Lines != 65 || got.FirstToken <= 0 || got.Whole < got.FirstToken {
			t.Errorf("%+v: want 64 pieces and a last line, the first before the last", got)
		}
	}
}

// discard reads a request away, as far as one read gets it.
func discard(conn net.Conn) { conn.Read(make([]byte, 4096)) }

func TestClientDoesNotCountACutStream(t *testing.T) {
	whole := chunked(piece+"\n"+last+"\n", 1<<16)
	url := startRaw(t, func(_ int, conn net.Conn) {
		discard(conn)
		io.WriteString(conn, whole[:len(whole)-40])
	})
	if _, err := dial(t, Request{URL: url, Body: chatBody}).Chat(); !errors.Is(err, ErrIncomplete) {
		t.Errorf("Chat = %v, want %v", err, ErrIncomplete)
	}
}

func TestClientEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	url := startRaw(t, func(_ int, conn net.Conn) {
		discard(conn)
		close(asked)
		io.Copy(io.Discard, conn) // no answer until the client leaves
	})
	ctx, cancel := context.WithCancel(context.Background())
	c, err := Dial(ctx, Request{URL: url, Body: chatBody}, limit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { <-asked; cancel() }()
	if _, err := c.Chat(); err == nil {
		t.Error("Chat returned an answer that never came")
	}
}

func TestRequestIsWellFormed(t *testing.T) {
	got := make(chan *http.Request, 1)
	bodies := make(chan []byte, 1)
	srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r
		bodies <- body
		w.Header().Set("Connection", "close")
		io.WriteString(w, last)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	defer func() { srv.Close(); <-done }()

	c := dial(t, Request{URL: "http://" + ln.Addr().String() + "/x/api/chat?a=1", Key: "crl_k", Body: chatBody})
	if _, err := c.Chat(); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.Method != "POST" || r.RequestURI != "/x/api/chat?a=1" || r.Host != ln.Addr().String() ||
		r.Header.Get("Authorization") != "Bearer crl_k" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the server saw %s %s at %s, %v", r.Method, r.RequestURI, r.Host, r.Header)
	}
	if body := <-bodies; !bytes.Equal(body, chatBody) {
		t.Errorf("body %q", body)
	}
	if !c.Spent() {
		t.Error("the client believes in a connection that the server closes")
	}
}

func TestDialRefusesBadRequests(t *testing.T) {
	for _, r := range []Request{
		{URL: "https://127.0.0.1:1/"},
		{URL: "127.0.0.1:1"},
		{URL: "http:///x"},
		{URL: "http://a b/"},
		{URL: "http://127.0.0.1:1/", Key: "a\r\nX: y"},
	} {
		if _, err := Dial(context.Background(), r, limit); err == nil {
			t.Errorf("%+v was dialled", r)
		}
	}
}

func TestChatAllocatesNothing(t *testing.T) {
	answer := chunked(piece+"\n"+last+"\n", 11)
	url := startRaw(t, func(_ int, conn net.Conn) {
		buf, reply := make([]byte, 4096), []byte(answer)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			if _, err := conn.Write(reply); err != nil {
				return
			}
		}
	})
	c := dial(t, Request{URL: url, Body: chatBody})
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := c.Chat(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations an answer", allocs)
	}
	c.Close() // so that the server above ends
}

func BenchmarkChatDirect(b *testing.B) {
	c := dial(b, Request{URL: startStandIn(b, 64), Body: chatBody})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Chat(); err != nil {
			b.Fatal(err)
		}
	}
}
