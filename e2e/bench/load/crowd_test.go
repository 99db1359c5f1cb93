package load

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCrowdCountsWholeStreams(t *testing.T) {
	crowd := Crowd{Clients: 4, Warmup: 50 * time.Millisecond, Window: 300 * time.Millisecond, Timeout: limit}
	got, err := crowd.Run(context.Background(), Request{URL: startStandIn(t, 8), Body: chatBody})
	if err != nil {
		t.Fatal(err)
	}
	if got.Broken != 0 || got.FirstBreak != nil {
		t.Errorf("%d broken: %v", got.Broken, got.FirstBreak)
	}
	if got.Complete == 0 || got.Lines != got.Complete*9 || len(got.FirstToken) != got.Complete {
		t.Errorf("%d complete with %d lines and %d first tokens", got.Complete, got.Lines, len(got.FirstToken))
	}
	if want := float64(got.Complete) / 0.3; got.Rate() != want {
		t.Errorf("rate %v, want %v", got.Rate(), want)
	}
}

func TestCrowdCountsNoCutStreams(t *testing.T) {
	// Every other connection is cut before the last line.
	url := startRaw(t, func(n int, conn net.Conn) {
		raw := chunked(piece+"\n"+last+"\n", 16)
		if n%2 == 1 {
			raw = raw[:len(raw)-30]
		}
		discard(conn)
		io.WriteString(conn, raw)
	})
	crowd := Crowd{Clients: 1, Window: 300 * time.Millisecond, Timeout: limit}
	got, err := crowd.Run(context.Background(), Request{URL: url, Body: chatBody})
	if err != nil {
		t.Fatal(err)
	}
	// A whole answer's connection breaks as well, at the answer after it.
	if got.Complete == 0 || got.Broken <= got.Complete || got.FirstBreak == nil {
		t.Errorf("%d complete, %d broken: %v", got.Complete, got.Broken, got.FirstBreak)
	}
	if got.Lines != 2*got.Complete {
		t.Errorf("%d lines of %d complete streams: cut ones were counted", got.Lines, got.Complete)
	}
}

func TestCrowdEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	crowd := Crowd{Clients: 2, Window: time.Hour, Timeout: limit}
	if _, err := crowd.Run(ctx, Request{URL: startStandIn(t, 1), Body: chatBody}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	if _, err := (Crowd{}).Run(context.Background(), Request{}); err == nil {
		t.Error("a crowd of nobody ran")
	}
}

func TestQuantiles(t *testing.T) {
	ds := make([]time.Duration, 0, 100)
	for i := 100; i > 0; i-- {
		ds = append(ds, time.Duration(i))
	}
	got, ok := QuantilesOf(ds)
	if diff := cmp.Diff(Quantiles{Median: 50, P95: 95, P99: 99, Max: 100}, got); diff != "" || !ok {
		t.Errorf("quantiles of 1 to 100 (-want +got):\n%s", diff)
	}
	if got, ok = QuantilesOf([]time.Duration{7}); got != (Quantiles{Median: 7, P95: 7, P99: 7, Max: 7}) || !ok {
		t.Errorf("quantiles of 7: %+v", got)
	}
	if _, ok = QuantilesOf(nil); ok {
		t.Error("nothing has quantiles")
	}
}
