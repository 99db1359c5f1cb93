package exchange

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// BenchmarkPieces is a chat answer: a small request, and 64 pieces that go out
// one at a time.
func BenchmarkPieces(b *testing.B) {
	piece := []byte(`{"model":"m","created_at":"2026-11-23T00:00:00Z","message":{"role":"assistant","content":" token"},"done":false}` + "\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		err = Serve(ctx, conn, func(ctx context.Context, in *Incoming, out *Reply) error {
			out.Start(200, nil, unknownLength)
			for range 64 {
				if _, err := out.Write(piece); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Error(err)
		}
	}()
	c := NewClient(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}, "stand-in", 1, time.Minute)
	b.Cleanup(func() { cancel(); l.Close(); c.Close(); <-served })
	buf := make([]byte, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		res, err := c.Do(b.Context(), &Request{Method: "POST", Target: "/", Body: strings.NewReader(`{"model":"m"}`), Length: 13})
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = res.Body.Read(buf)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		res.Body.Close()
	}
}
