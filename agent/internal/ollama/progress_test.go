package ollama

import (
	"sync"
	"testing"
	"time"
)

var testStalls = Stalls{FirstToken: 120 * time.Second, Token: 30 * time.Second, Load: 15 * time.Minute}

func TestStalledByTheFirstToken(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	g := p.Begin()
	g.begun = start
	quiet := func(after time.Duration, freshLoad time.Time) time.Duration {
		s, _ := p.stalled(start.Add(after), freshLoad, testStalls)
		if s.quiet > 0 && !s.first {
			t.Errorf("after %v: %+v is not told as one without a first token", after, s)
		}
		return s.quiet
	}
	if got := quiet(120*time.Second, time.Time{}); got != 0 {
		t.Errorf("at its budget it counts as stalled for %v", got)
	}
	if got := quiet(121*time.Second, time.Time{}); got != 121*time.Second {
		t.Errorf("past its budget: %v", got)
	}
	if got := quiet(200*time.Second, start.Add(150*time.Second)); got != 0 {
		t.Errorf("after a load it counts as stalled for %v", got)
	}
	if got := quiet(300*time.Second, start.Add(150*time.Second)); got != 150*time.Second {
		t.Errorf("long after a load: %v", got)
	}
	if got := quiet(16*time.Minute, start.Add(15*time.Minute)); got != 16*time.Minute {
		t.Errorf("loads excuse it without end: %v", got)
	}
	if !p.waits(start.Add(14*time.Minute), testStalls) || p.waits(start.Add(15*time.Minute), testStalls) {
		t.Error("waits does not end at the budget of a load")
	}
}

func TestStalledBetweenTokens(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	moving, quiet := p.Begin(), p.Begin()
	moving.begun, quiet.begun = start, start
	quiet.Advance()
	for s := 1; s <= 31; s++ {
		moving.Advance()
		if got, ok := p.stalled(start.Add(time.Duration(s)*time.Second), time.Time{}, testStalls); ok {
			t.Fatalf("after %d s: %+v", s, got)
		}
	}
	moving.Advance()
	got, ok := p.stalled(start.Add(32*time.Second), time.Time{}, testStalls)
	if want := (stall{quiet: 31 * time.Second}); !ok || got != want {
		t.Errorf("stalled = %+v, %v; want %+v", got, ok, want)
	}
	p.forgive(start.Add(32 * time.Second))
	if got, ok := p.stalled(start.Add(40*time.Second), time.Time{}, testStalls); ok {
		t.Errorf("after it was forgiven: %+v", got)
	}
	if got, ok := p.stalled(start.Add(63*time.Second), time.Time{}, testStalls); !ok || got.quiet != 31*time.Second {
		t.Errorf("when it recurs: %+v, %v", got, ok)
	}
}

func TestWhoWaitsBehindOthersIsNotStalled(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	busy, queued := p.Begin(), p.Begin()
	busy.begun, queued.begun = start, start
	for s := 1; s < 900; s++ {
		busy.Advance()
		if got, ok := p.stalled(start.Add(time.Duration(s)*time.Second), time.Time{}, testStalls); ok {
			t.Fatalf("after %d s: %+v", s, got)
		}
	}
	busy.Advance()
	if _, ok := p.stalled(start.Add(901*time.Second), time.Time{}, testStalls); !ok {
		t.Error("it may wait without end")
	}
}

func TestIdleAndInFlight(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	if got := p.idle(start.Add(time.Minute)); got != time.Minute {
		t.Errorf("idle = %v, want a minute", got)
	}
	a, b, c := p.Begin(), p.Begin(), p.Begin()
	a.End(true)
	c.End(false)
	if n, idle := p.inFlight(), p.idle(time.Now()); n != 1 || idle != 0 {
		t.Errorf("in flight %d, idle %v; want 1 and 0", n, idle)
	}
	if p.progressed().Before(start) {
		t.Error("an answer that ended well is no progress")
	}
	b.End(false)
	if n := p.inFlight(); n != 0 {
		t.Errorf("in flight %d, want 0", n)
	}
}

func TestProgressIsSafeForConcurrentUse(t *testing.T) {
	p := newProgress(time.Now())
	var relays sync.WaitGroup
	for range 8 {
		relays.Go(func() {
			for range 200 {
				g := p.Begin()
				for range 10 {
					g.Advance()
				}
				g.End(true)
			}
		})
	}
	for range 100 {
		p.stalled(time.Now(), time.Time{}, testStalls)
	}
	relays.Wait()
	if n := p.inFlight(); n != 0 {
		t.Errorf("in flight %d, want 0", n)
	}
}

func TestAdvanceDoesNotAllocate(t *testing.T) {
	p := newProgress(time.Now())
	g := p.Begin()
	if n := testing.AllocsPerRun(1000, g.Advance); n != 0 {
		t.Errorf("Advance allocates %v times", n)
	}
	g.End(true)
}

func BenchmarkAdvance(b *testing.B) {
	g := newProgress(time.Now()).Begin()
	for b.Loop() {
		g.Advance()
	}
}

func BenchmarkGeneration(b *testing.B) {
	p := newProgress(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		g := p.Begin()
		g.Advance()
		g.End(true)
	}
}
