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

	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

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
