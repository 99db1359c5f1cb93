package standin

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/stamp"
)

func TestWheelCallsOnceInATurn(t *testing.T) {
	w := newWheel(4 * wheelStep)
	w.advance(2)
	turn := w.join()
	called := func() bool {
		select {
		case <-turn.wake:
			return true
		default:
			return false
		}
	}
	for step := 3; step < 20; step++ {
		w.advance(step)
		want := step%4 == 2 // a turn after it joined, and each turn from then on
		if called() != want {
			t.Errorf("step %d: called is %t", step, !want)
		}
	}
	if at := turn.first.Sub(w.began); at != 6*wheelStep {
		t.Errorf("the first call is announced for %v, want %v", at, 6*wheelStep)
	}
	w.advance(40) // several turns late: one call says as much as five
	if !called() || called() {
		t.Error("an answer that was late was not called exactly once")
	}
	w.leave(turn)
	w.leave(turn)
	w.advance(60)
	if called() {
		t.Error("an answer that had left was called")
	}
}

func TestPacedAnswerSaysWhereEachPieceBelongs(t *testing.T) {
	const pace = 20 * time.Millisecond
	url := start(t, Options{Tokens: 100, Pace: pace})
	clock := stamp.NewClock()
	for answer := range uint64(2) {
		began := clock.Now()
		_, body := call(t, url+"/api/chat", `{"model":"bench","messages":[{}],"options":{"num_predict":5}}`)
		pieces := 0
		for line := range bytes.Lines(body) {
			s, ok := stamp.Find(line)
			if !ok {
				continue
			}
			// Its own measure of being late is the one that holds on a busy machine.
			due := time.Duration(pieces+1) * pace
			if on := s.Sent - s.Late - began; on < due-10*time.Millisecond {
				t.Errorf("piece %d was due %v after the request, want about %v", pieces, on, due)
			}
			if s.Answer != answer+1 || s.Piece != pieces || s.Late < 0 || s.Sent > clock.Now() {
				t.Errorf("piece %d of answer %d: %+v", pieces, answer+1, s)
			}
			pieces++
		}
		if pieces != 5 || !bytes.Contains(body, []byte(`"done":true`)) {
			t.Errorf("%d pieces in\n%s", pieces, body)
		}
	}
}

func TestPacedAnswerThatNobodyReadsLeavesTheWheel(t *testing.T) {
	s, err := New(Options{Tokens: 1 << 20, Pace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	left := func() int {
		s.wheel.mu.Lock()
		defer s.wheel.mu.Unlock()
		n := 0
		for _, slot := range s.wheel.slots {
			n += len(slot)
		}
		return n
	}
	running, err := s.start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, running.URL+"/api/chat", strings.NewReader(`{"model":"bench","messages":[{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := left(); got != 1 {
		t.Fatalf("%d answers on the wheel, want 1", got)
	}
	cancel()
	resp.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); left() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an answer stayed on the wheel that nobody reads")
		}
	}
}

func TestPaceIsChecked(t *testing.T) {
	for _, o := range []Options{
		{Tokens: 1, Pace: -time.Second},
		{Tokens: 1, Pace: time.Microsecond},
		{Tokens: 1, Pace: time.Millisecond + 1},
		{Tokens: 1, Pace: time.Second, Delay: 1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// BenchmarkWheel turns a wheel with ten thousand answers, of which a share is
// due at each step.
func BenchmarkWheel(b *testing.B) {
	for _, pace := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
		b.Run(strconv.Itoa(int(pace.Milliseconds()))+"ms", func(b *testing.B) {
			w := newWheel(pace)
			for i := range 10000 {
				w.advance(i)
				w.join()
			}
			from := w.passed
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				w.advance(from + i + 1)
			}
		})
	}
}
