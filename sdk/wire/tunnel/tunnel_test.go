package tunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// sockets returns the two ends of a WebSocket over loopback TCP.
func sockets(t testing.TB) (dialled, accepted *websocket.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, over := make(chan *websocket.Conn, 1), make(chan struct{})
	upgrader := websocket.FastHTTPUpgrader{}
	server := &fasthttp.Server{KeepHijackedConns: true, Handler: func(ctx *fasthttp.RequestCtx) {
		if err := upgrader.Upgrade(ctx, func(ws *websocket.Conn) { arrived <- ws; <-over }); err != nil {
			t.Error(err)
		}
	}}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(l) })
	dialled, _, err = websocket.DefaultDialer.Dial("ws://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	accepted = <-arrived
	t.Cleanup(func() {
		dialled.Close()
		accepted.Close()
		close(over)
		l.Close()
		wg.Wait()
	})
	return dialled, accepted
}

func sessions(t testing.TB) (client, server *Session) {
	t.Helper()
	dialled, accepted := sockets(t)
	client, err := Client(NewConn(dialled))
	if err != nil {
		t.Fatal(err)
	}
	server, err = Server(NewConn(accepted))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestConnCarriesBytesInBothDirections(t *testing.T) {
	dialled, accepted := sockets(t)
	a, b := NewConn(dialled), NewConn(accepted)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	for _, pair := range [][2]*Conn{{a, b}, {b, a}} {
		go func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 70_001)
				if _, err := pair[0].Write(rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(pair[1], got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("what was read differs from what was written: %v", err)
		}
	}
}

func TestAHeaderGoesOutWithItsBody(t *testing.T) {
	dialled, accepted := sockets(t)
	c := NewConn(dialled)
	header := []byte{0, yamuxTypeData, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3}
	ping := []byte{0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}
	for _, part := range [][]byte{header, []byte("abc"), ping, header, []byte("def")} {
		if _, err := c.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]byte{append(header[:12:12], "abc"...), ping, append(header[:12:12], "def"...)} {
		_, got, err := accepted.ReadMessage()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %q, %v; want %q", got, err, want)
		}
	}
}

func TestAPeerThatClosesReadsAsTheEnd(t *testing.T) {
	dialled, accepted := sockets(t)
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := dialled.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := NewConn(accepted).Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v; want io.EOF", n, err)
	}
}

func TestTextIsRefused(t *testing.T) {
	dialled, accepted := sockets(t)
	if err := dialled.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := NewConn(accepted).Read(make([]byte, 10)); err == nil || err == io.EOF {
		t.Errorf("text was read as bytes: %v", err)
	}
}

func TestBothSidesOpenStreams(t *testing.T) {
	client, server := sessions(t)
	for _, pair := range [][2]*Session{{client, server}, {server, client}} {
		out, err := pair[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		in, err := pair[1].Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(in, got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		out.Close()
		if _, err := in.Read(got); err != io.EOF {
			t.Fatalf("after the other side closed: %v", err)
		}
		in.Close()
	}
}

func TestTheEndOfASessionIsSeenByBoth(t *testing.T) {
	client, server := sessions(t)
	client.Close()
	<-server.Done()
	if _, err := server.Open(); err == nil {
		t.Error("a stream was opened in a session that has ended")
	}
	if _, err := server.Accept(); err == nil {
		t.Error("a stream was accepted in a session that has ended")
	}
}

// exchanges returns a client whose requests are answered at the other end of a tunnel.
func exchanges(t testing.TB, handler exchange.Handler) *exchange.Client {
	t.Helper()
	agent, controlplane := sessions(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			stream, err := agent.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { exchange.Serve(ctx, stream, handler) })
		}
	})
	c := exchange.NewClient(func(context.Context) (net.Conn, error) { return controlplane.Open() }, "agent", 4, time.Minute)
	t.Cleanup(func() { cancel(); agent.Close(); c.Close(); wg.Wait() })
	return c
}

func TestLeavingReachesTheOtherEndOfATunnel(t *testing.T) {
	started, left := make(chan struct{}), make(chan struct{})
	c := exchanges(t, func(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
		close(started)
		<-ctx.Done()
		close(left)
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	if _, err := c.Do(ctx, &exchange.Request{Method: "GET", Target: "/"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Do = %v", err)
	}
	<-left
}

func TestAnAnswerThatNobodyReadsIsFreed(t *testing.T) {
	stopped := make(chan error, 1)
	c := exchanges(t, func(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
		out.Start(200, nil, -1)
		piece := bytes.Repeat([]byte("x"), 1<<16)
		for {
			if _, err := out.Write(piece); err != nil {
				stopped <- err
				return err
			}
		}
	})
	res, err := c.Do(t.Context(), &exchange.Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := <-stopped; err == nil {
		t.Error("the answer ended as if it had been read")
	}
}

func BenchmarkFirstByteThroughTunnel(b *testing.B) {
	c := exchanges(b, func(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
		return out.Send(200, nil, []byte("first token"))
	})
	b.ReportAllocs()
	for b.Loop() {
		res, err := c.Do(b.Context(), &exchange.Request{Method: "POST", Target: "/", Body: strings.NewReader(`{"model":"m"}`), Length: 13})
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
