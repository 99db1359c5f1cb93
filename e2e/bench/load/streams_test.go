package load

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStreamsAreHeardLineByLine(t *testing.T) {
	var lines [3]atomic.Int64
	s := Streams{Count: len(lines), Ramp: 10 * time.Millisecond, Timeout: limit}
	got, err := s.Run(context.Background(), Request{URL: startStandIn(t, 8), Body: chatBody}, func(stream int) func([]byte) error {
		return func(line []byte) error {
			if !strings.Contains(string(line), `"content":`) {
				t.Errorf("stream %d heard %q", stream, line)
			}
			lines[stream].Add(1)
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Complete != len(lines) || got.Broken != 0 || got.Lines != len(lines)*9 {
		t.Errorf("%+v, want %d streams of 8 pieces and a last line", got, len(lines))
	}
	for i := range lines {
		if n := lines[i].Load(); n != 9 {
			t.Errorf("stream %d was heard %d times", i, n)
		}
	}
}

func TestStreamsTellWhatTheListenerMinds(t *testing.T) {
	minds := errors.New("out of tune")
	s := Streams{Count: 4, Timeout: limit}
	got, err := s.Run(context.Background(), Request{URL: startStandIn(t, 8), Body: chatBody}, func(stream int) func([]byte) error {
		return func([]byte) error {
			if stream == 2 {
				return minds
			}
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Complete != 3 || got.Broken != 1 || !errors.Is(got.FirstBreak, minds) {
		t.Errorf("%+v, want one of four broken because of %v", got, minds)
	}
}

func TestStreamsEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := Streams{Count: 2, Ramp: time.Hour, Timeout: limit}
	listen := func(int) func([]byte) error { return nil }
	if _, err := s.Run(ctx, Request{URL: "http://127.0.0.1:9/", Body: chatBody}, listen); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	if _, err := (Streams{}).Run(context.Background(), Request{}, listen); err == nil {
		t.Error("no streams ran")
	}
}
