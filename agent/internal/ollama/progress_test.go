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

func TestOnlyOllamaIsWaitedFor(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	g := p.Begin()
	g.begun = start
	at := func(seconds int) time.Duration {
		now := start.Add(time.Duration(seconds) * time.Second)
		p.stalled(now, time.Time{}, testStalls)
		return p.waiting(now, time.Time{})
	}
	if got := at(3); got != 3*time.Second {
		t.Errorf("without a first token: %v", got)
	}
	g.Ask()
	if got := at(10); got != 0 {
		t.Errorf("while its question is on its way: %v", got)
	}
	g.Asked()
	if got := at(12); got != 0 {
		t.Errorf("when more of its question came: %v", got)
	}
	if got := at(14); got != 2*time.Second {
		t.Errorf("after its question: %v", got)
	}
	g.Deliver()
	for _, s := range []int{20, 60, 600} {
		if got := at(s); got != 0 {
			t.Errorf("while its reader takes nothing: %v", got)
		}
	}
	g.Advance()
	if got := at(601); got != 0 {
		t.Errorf("when its reader has taken it: %v", got)
	}
	if got := at(605); got != 4*time.Second {
		t.Errorf("between two tokens: %v", got)
	}
	if got := p.waiting(start.Add(605*time.Second), start.Add(604*time.Second)); got != time.Second {
		t.Errorf("after a load: %v", got)
	}
	other := p.Begin()
	other.begun = start.Add(606 * time.Second)
	if got := at(607); got != 6*time.Second {
		t.Errorf("with another request that has only begun: %v", got)
	}
	other.Advance()
	if got := at(608); got != 0 {
		t.Errorf("behind another that moves: %v", got)
	}
	g.End(false)
	other.End(false)
	if got := at(700); got != 0 {
		t.Errorf("without requests: %v", got)
	}
}

func TestWholeAnswerStallsOnlyWhereNothingIsComputed(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	g := p.BeginWhole()
	g.begun = start
	later := start.Add(time.Hour)
	if got, ok := p.stalled(later, time.Time{}, testStalls); ok {
		t.Errorf("after an hour it counts as stalled: %+v", got)
	}
	if p.waits(start, testStalls) {
		t.Error("it is told of as one without a first token")
	}
	if got := p.waiting(later, time.Time{}); got != time.Hour {
		t.Errorf("it has waited for %v, want an hour", got)
	}
}

func TestRequestWhoseRunnerWasKilledIsCutOnce(t *testing.T) {
	start := time.Now()
	p := newProgress(start)
	var cut []string
	begin := func(name string) *Generation {
		g := p.Begin()
		g.OnLost(func(error) { cut = append(cut, name) })
		return g
	}
	left, goesOn := begin("left"), begin("goes on")
	left.Advance() // before the kill
	if p.anyRobbed() || p.cutRobbed(errLost) != 0 {
		t.Error("before any runner was killed, requests have lost theirs")
	}
	p.rob()
	later := begin("later")
	goesOn.Advance()
	p.stalled(start, time.Time{}, testStalls)
	if !p.anyRobbed() {
		t.Error("who had a token before the kill counts as going on")
	}
	if n := p.cutRobbed(errLost); n != 1 || len(cut) != 1 || cut[0] != "left" {
		t.Errorf("%d were cut: %v", n, cut)
	}
	if p.anyRobbed() || p.cutRobbed(errLost) != 0 {
		t.Error("one is cut twice")
	}
	for _, g := range []*Generation{left, goesOn, later} {
		g.End(false)
	}
}
