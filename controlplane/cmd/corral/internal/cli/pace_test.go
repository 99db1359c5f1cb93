package cli

import (
	"testing"
	"time"
)

// TestPace follows a transfer for longer than a pace is measured over.
func TestPace(t *testing.T) {
	const step = 100 * time.Millisecond
	began := time.Unix(1_700_000_000, 0)
	var p pace
	at, done := began, int64(0)
	run := func(length time.Duration, bytesPerStep int64) (last int64) {
		for end := at.Add(length); at.Before(end); {
			at, done = at.Add(step), done+bytesPerStep
			last = p.after(at, done)
		}
		return last
	}
	if got := run(500*time.Millisecond, 1000); got != 0 {
		t.Errorf("after half a second the pace is %d, want none yet", got)
	}
	if got := run(20*time.Second, 1000); got != 10_000 {
		t.Errorf("at 10000 bytes a second the pace is %d", got)
	}
	if got := run(2*paceWindow, 3000); got != 30_000 {
		t.Errorf("a while after it became 30000 bytes a second the pace is %d", got)
	}
	at = at.Add(time.Minute) // during which nobody asks, and nothing comes
	if got := p.after(at, done); got < 0 || got > 1000 {
		t.Errorf("after a minute of nothing the pace is %d", got)
	}
	done = 0 // it begins anew
	if got := run(time.Second, 2000); got != 0 {
		t.Errorf("right after a new beginning the pace is %d, want none yet", got)
	}
	if got := run(2*paceWindow, 2000); got != 20_000 {
		t.Errorf("a while after a new beginning the pace is %d, want 20000", got)
	}
}
