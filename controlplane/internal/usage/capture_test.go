package usage

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// secret stands for what a capture must never hold.
const secret = "crl_secret"

// capturing returns a ledger that keeps what is asked and answered while on is true.
func capturing(next fleet.Forwarder, store fleet.UsageStore, on *bool) *Ledger {
	clock := noon()
	return New(Options{
		Next: next, Store: store, Retention: func() time.Duration { return time.Hour }, Captures: func() bool { return *on },
		Log: hclog.NewNullLogger(), Now: func() time.Time { clock = clock.Add(10 * time.Millisecond); return clock },
	})
}

// exchanges asks with this body, reads what is answered and closes it.
func exchanges(t *testing.T, l *Ledger, body string) {
	t.Helper()
	answer, err := l.Forward(t.Context(), "tiny", fleet.Call{
		Path: "/api/chat", Body: []byte(body), Fields: []fleet.Field{{Name: "Authorization", Value: "Bearer " + secret}},
	})
	if err != nil {
		return // of which a test asked
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

// saying answers every call with this text.
func saying(text string) fleet.Forwarder {
	return forwardFunc(func() (*fleet.Answer, error) {
		return &fleet.Answer{Status: 200, Length: -1, Fields: []fleet.Field{{Name: "Set-Cookie", Value: secret}}, Body: io.NopCloser(strings.NewReader(text))}, nil
	})
}

type forwardFunc func() (*fleet.Answer, error)

func (f forwardFunc) Forward(context.Context, string, fleet.Call) (*fleet.Answer, error) { return f() }

// stored has a writer store what has ended.
func stored(t *testing.T, l *Ledger) {
	t.Helper()
	if err := (&writer{Ledger: l}).finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held := l.room.held.Load(); held != 0 {
		t.Errorf("captures hold %d bytes that nobody gives back", held)
	}
}

func TestBodiesAreKeptWhileThatIsWanted(t *testing.T) {
	large := strings.Repeat("x", maxCaptureBytes)
	refused := fault.New(fault.Unavailable, "no host")
	for name, c := range map[string]struct {
		on   bool
		next fleet.Forwarder
		asks string
		want *fleet.Capture
	}{
		"off":                  {false, saying("yes"), "well?", nil},
		"on":                   {true, saying("yes"), "well?", &fleet.Capture{Request: []byte("well?"), Answer: []byte("yes")}},
		"as large as may be":   {true, saying(large), large, &fleet.Capture{Request: []byte(large), Answer: []byte(large)}},
		"larger than may be":   {true, saying(large + "y"), large + "y", &fleet.Capture{Request: []byte(large), RequestCut: true, Answer: []byte(large), AnswerCut: true}},
		"without an answer":    {true, forwardFunc(func() (*fleet.Answer, error) { return nil, refused }), "well?", &fleet.Capture{Request: []byte("well?")}},
		"with an empty answer": {true, saying(""), "well?", &fleet.Capture{Request: []byte("well?")}},
	} {
		t.Run(name, func(t *testing.T) {
			shelf := &shelf{}
			l := capturing(c.next, shelf, &c.on)
			exchanges(t, l, c.asks)
			stored(t, l)
			if len(shelf.rows) != 1 {
				t.Fatalf("%d rows are stored", len(shelf.rows))
			}
			if diff := cmp.Diff(c.want, shelf.rows[0].Capture); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What waits to be stored has a bound, and so have the streams that are open.
func TestCapturesHaveABoundTogether(t *testing.T) {
	on, shelf := true, &shelf{}
	l := capturing(saying(strings.Repeat("x", maxCaptureBytes)), shelf, &on)
	const fit = maxCapturesBytes / maxCaptureBytes
	for range fit + 2 {
		exchanges(t, l, "")
	}
	if held := l.room.held.Load(); held != maxCapturesBytes {
		t.Errorf("%d bytes are held, want %d", held, maxCapturesBytes)
	}
	stored(t, l)
	cut := 0
	for i := range shelf.rows {
		if shelf.rows[i].Capture.AnswerCut {
			cut++
		}
	}
	if len(shelf.rows) != fit+2 || cut != 2 {
		t.Errorf("of %d answers %d were cut, want %d and 2", len(shelf.rows), cut, fit+2)
	}
}

func TestWhatIsLostHoldsNothing(t *testing.T) {
	on := true
	l := capturing(saying("yes"), &shelf{}, &on)
	for range maxEnded + 5 { // and nobody runs
		exchanges(t, l, "well?")
	}
	if held := l.room.held.Load(); l.Lost() != 5 || held != maxEnded*int64(len("yeswell?")) {
		t.Errorf("%d are lost, and %d bytes held", l.Lost(), held)
	}
	w := &writer{Ledger: l, waiting: make([]fleet.UsageRow, maxWaiting)}
	for len(l.ended) > 0 {
		w.add(<-l.ended)
	}
	if held := l.room.held.Load(); held != 0 {
		t.Errorf("what waits in vain holds %d bytes", held)
	}
}

// Whoever deletes all captures, or turns them off, finds none that come later
// from requests of before.
func TestWhatIsUnderWayIsForgottenToo(t *testing.T) {
	on, shelf := true, &shelf{}
	l := capturing(saying("yes"), shelf, &on)
	exchanges(t, l, "ended")
	underWay, err := l.Forward(t.Context(), "tiny", fleet.Call{Path: "/api/chat", Body: []byte("under way")})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteCaptures(t.Context()); err != nil || shelf.wiped != 1 {
		t.Fatalf("the store was wiped %d times: %v", shelf.wiped, err)
	}
	_, _ = io.Copy(io.Discard, underWay.Body)
	_ = underWay.Body.Close()
	exchanges(t, l, "after")
	stored(t, l)
	var kept []string
	for i := range shelf.rows {
		if c := shelf.rows[i].Capture; c != nil {
			kept = append(kept, string(c.Request))
		}
	}
	if diff := cmp.Diff([]string{"after"}, kept); len(shelf.rows) != 3 || diff != "" {
		t.Errorf("%d rows (-want +kept)\n%s", len(shelf.rows), diff)
	}

	exchanges(t, l, "while it is on")
	on = false
	stored(t, l)
	if got := shelf.rows[3].Capture; got != nil {
		t.Errorf("after captures were turned off, %q was stored", got.Request)
	}
}

func TestACaptureThatCannotBeStoredIsKept(t *testing.T) {
	on, shelf := true, &shelf{fails: errors.New("the disk is full")}
	l := capturing(saying("yes"), shelf, &on)
	exchanges(t, l, "well?")
	w := &writer{Ledger: l}
	w.add(<-l.ended)
	w.flush(t.Context())
	if held := l.room.held.Load(); held != int64(len("yeswell?")) {
		t.Errorf("%d bytes are held", held)
	}
	shelf.fail(nil)
	w.flush(t.Context())
	if held := l.room.held.Load(); held != 0 || len(shelf.rows) != 1 || string(shelf.rows[0].Capture.Answer) != "yes" {
		t.Errorf("%d bytes are held, stored is %+v", held, shelf.rows)
	}
}

// TestCapturesThatAreOffCostNothing compares what a request allocates with what
// it allocated before there were captures.
func TestCapturesThatAreOffCostNothing(t *testing.T) {
	noted, bare := testing.AllocsPerRun(100, conversation(t, true, false)), testing.AllocsPerRun(100, conversation(t, false, false))
	if noted-bare != 1 { // the exchange
		t.Errorf("%v allocations, want one", noted-bare)
	}
}
