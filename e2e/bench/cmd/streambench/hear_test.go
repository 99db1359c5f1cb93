package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/stamp"
)

// said is a line with a stamp, sent just now.
func said(clock stamp.Clock, answer uint64, piece int) string {
	s := stamp.Stamp{Answer: answer, Piece: piece, Sent: clock.Now(), Late: time.Microsecond}
	return fmt.Sprintf(`{"message":{"content":"%s"},"done":false}`, s.Append(nil))
}

func TestEarMindsWhatIsNotItsStream(t *testing.T) {
	clock := stamp.NewClock()
	last := `{"done":true}`
	f := func(want string, lines ...string) {
		t.Helper()
		e := ear{clock: clock, tokens: 2, until: clock.Now() + time.Hour}
		var err error
		for _, line := range lines {
			if err == nil {
				err = e.hear([]byte(line))
			}
		}
		switch {
		case want == "" && err != nil:
			t.Error(err)
		case want == "" && (len(e.transit) != 2 || len(e.late) != 2):
			t.Errorf("%d tokens were counted, want 2", len(e.transit))
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	f("", said(clock, 7, 0), said(clock, 7, 1), last)
	f("token 1 of answer 8 came in place of token 1 of answer 7", said(clock, 7, 0), said(clock, 8, 1))
	f("token 1 of answer 7 came in place of token 0", said(clock, 7, 1))
	f("token 0 of answer 7 came in place of token 1", said(clock, 7, 0), said(clock, 7, 0))
	f(`in place of token 1 of 2 came "{\"error\":\"gone\"}"`, said(clock, 7, 0), `{"error":"gone"}`)
}

func TestEarCountsTheWindowAlone(t *testing.T) {
	clock := stamp.NewClock()
	now := clock.Now()
	e := ear{clock: clock, tokens: 3, from: now + time.Hour, until: now + 2*time.Hour}
	for piece, sent := range []time.Duration{now, now + time.Hour, now + 2*time.Hour} {
		s := stamp.Stamp{Answer: 1, Piece: piece, Sent: sent}
		if err := e.hear(s.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.transit) != 1 {
		t.Errorf("%d tokens were counted, want the one that was sent in the window", len(e.transit))
	}
}
