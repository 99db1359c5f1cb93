package ollama

import (
	"testing"
	"time"
)

func newTestGovernor(p RestartPolicy) *governor {
	return newGovernor(p.withDefaults(), func() float64 { return 0 })
}

func TestDelayDoublesUpToItsCapAndStartsAnew(t *testing.T) {
	g := newTestGovernor(RestartPolicy{MinDelay: time.Second, MaxDelay: 5 * time.Second, LoopExits: 100})
	now := time.Now()
	for i, want := range []int{1, 2, 4, 5, 5} {
		if d, loop := g.delay(CauseExited, time.Second, now); d != time.Duration(want)*time.Second || loop {
			t.Errorf("delay %d = %v, loop %v; want %d s", i, d, loop, want)
		}
	}
	if d, _ := g.delay(CauseExited, time.Hour, now); d != time.Second {
		t.Errorf("delay after a stable life = %v, want 1s", d)
	}
	if d, _ := g.delay(CauseRequested, time.Second, now); d != 0 {
		t.Errorf("delay of a requested restart = %v, want none", d)
	}
}

func TestJitterTakesUpToHalf(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 4 * time.Second, 0.5: 3 * time.Second, 1: 2 * time.Second} {
		g := newGovernor(RestartPolicy{MinDelay: 4 * time.Second}.withDefaults(), func() float64 { return random })
		if d, _ := g.delay(CauseExited, 0, time.Now()); d != want {
			t.Errorf("with %v: %v, want %v", random, d, want)
		}
	}
}

func TestCrashLoopIsCountedWithinItsWindow(t *testing.T) {
	g := newTestGovernor(RestartPolicy{LoopExits: 3, LoopWindow: time.Minute, LoopDelay: 42 * time.Second})
	now := time.Now()
	steps := []struct {
		cause Cause
		after time.Duration
		loop  bool
	}{
		{CauseExited, 0, false},
		{CauseKilled, 10 * time.Second, false},
		{CauseStalled, 11 * time.Second, false}, // not an end by itself
		{CauseExited, 70 * time.Second, false},  // the first has left the window
		{CauseStartTimeout, 71 * time.Second, false},
		{CauseKeeperLost, 72 * time.Second, true},
		{CauseExited, 73 * time.Second, true},
		{CauseRequested, 74 * time.Second, false}, // somebody acted: counted anew
		{CauseExited, 75 * time.Second, false},
	}
	for i, s := range steps {
		d, loop := g.delay(s.cause, 0, now.Add(s.after))
		if loop != s.loop || loop && d != 42*time.Second {
			t.Errorf("step %d: delay %v, loop %v; want loop %v", i, d, loop, s.loop)
		}
	}
}

func TestBudgetIsPerCauseAndHour(t *testing.T) {
	g := newTestGovernor(RestartPolicy{PerHour: map[Cause]int{CauseStalled: 2, CauseUnresponsive: 0}})
	now := time.Now()
	want := func(cause Cause, after, wait time.Duration) {
		t.Helper()
		if got := g.spend(cause, now.Add(after)); got != wait {
			t.Errorf("spend(%s) after %v = %v, want %v", cause, after, got, wait)
		}
	}
	want(CauseStalled, 0, 0)
	want(CauseStalled, 10*time.Minute, 0)
	want(CauseStalled, 20*time.Minute, 40*time.Minute)
	want(CauseExited, 20*time.Minute, 0)
	want(CauseUnresponsive, 20*time.Minute, time.Hour)
	want(CauseStalled, time.Hour, 0)
	want(CauseStalled, time.Hour, 10*time.Minute)
	for range 1000 {
		want(CauseRequested, 0, 0)
	}
}
