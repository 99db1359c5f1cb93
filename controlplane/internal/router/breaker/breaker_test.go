package breaker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// clock is a time that passes when it is told to.
type clock struct{ at time.Time }

func (c *clock) now() time.Time           { return c.at }
func (c *clock) advance(by time.Duration) { c.at = c.at.Add(by) }

func noon() time.Time { return time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC) }

// longest makes every pause as long as it can be, but for a nanosecond.
func longest() float64 { return 1 }

func newBreaker(t testing.TB, limits Thresholds) (*Breaker, *clock) {
	t.Helper()
	c := &clock{at: noon()}
	b, err := New(limits, c.now, longest)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func host(id string) fleet.Target {
	return fleet.Target{HostID: id, Host: "host " + id, Instance: "default"}
}

// enter enters where that is to be possible.
func enter(t *testing.T, b *Breaker, at fleet.Target, model string) Pass {
	t.Helper()
	if !b.Allow(at, model).Passes() {
		t.Fatalf("%s at %s is %v", model, at.HostID, b.Allow(at, model))
	}
	pass, ok := b.Enter(at, model)
	if !ok {
		t.Fatalf("%s at %s is allowed and refused", model, at.HostID)
	}
	return pass
}

// fail sends requests that fail.
func fail(t *testing.T, b *Breaker, at fleet.Target, model string, kind Kind, times int) {
	t.Helper()
	for range times {
		b.Failed(enter(t, b, at, model), kind, "it did not work")
	}
}

func wantState(t *testing.T, b *Breaker, at fleet.Target, model string, want State) {
	t.Helper()
	if got := b.Allow(at, model); got != want {
		t.Errorf("%s at %s is %v, want %v", model, at.HostID, got, want)
	}
	if !want.Passes() {
		if _, ok := b.Enter(at, model); ok {
			t.Errorf("%s at %s is %v and lets a request pass", model, at.HostID, want)
		}
	}
}

// TestWhatCounts fails often enough with each kind, and looks at the model, at
// another model there, and at another instance.
func TestWhatCounts(t *testing.T) {
	for _, c := range []struct {
		kind         Kind
		model, other State
	}{
		{Refused, Open, Open},
		{BrokenOff, Open, Open},
		{NoFirstToken, Open, Closed},
		{ServerError, Open, Closed},
		{BrokenAnswer, Open, Closed},
		{Stalled, Open, Closed},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			b, _ := newBreaker(t, Defaults())
			fail(t, b, host("a"), "m", c.kind, Defaults().Run-1)
			wantState(t, b, host("a"), "m", Closed)
			fail(t, b, host("a"), "m", c.kind, 1)
			wantState(t, b, host("a"), "m", c.model)
			wantState(t, b, host("a"), "other", c.other)
			wantState(t, b, host("b"), "m", Closed)
			wantState(t, b, fleet.Target{HostID: "a", Instance: "second"}, "m", Closed)
			wantState(t, b, fleet.Target{HostID: "a", Host: "renamed", Instance: "default"}, "m", c.model)
		})
	}
}

func TestCallersNeverCount(t *testing.T) {
	b, _ := newBreaker(t, Defaults())
	fail(t, b, host("a"), "m", ServerError, Defaults().Run-1)
	for range 100 {
		b.Abandoned(enter(t, b, host("a"), "m"))
	}
	wantState(t, b, host("a"), "m", Closed)
	fail(t, b, host("a"), "m", ServerError, 1)
	wantState(t, b, host("a"), "m", Open)
}

func TestASuccessEndsARun(t *testing.T) {
	b, _ := newBreaker(t, Defaults())
	for range 3 {
		fail(t, b, host("a"), "m", ServerError, Defaults().Run-1)
		b.Succeeded(enter(t, b, host("a"), "m"))
	}
	wantState(t, b, host("a"), "m", Closed)
}

func TestShare(t *testing.T) {
	limits := Defaults()
	limits.Run = 0
	f := func(name string, pause time.Duration, want State) {
		t.Run(name, func(t *testing.T) {
			b, c := newBreaker(t, limits)
			for range limits.Among / 2 {
				fail(t, b, host("a"), "m", ServerError, 1)
				wantState(t, b, host("a"), "m", Closed)
				b.Succeeded(enter(t, b, host("a"), "m"))
				c.advance(pause)
			}
			fail(t, b, host("a"), "m", ServerError, 1)
			wantState(t, b, host("a"), "m", want)
		})
	}
	f("at once", 0, Open)
	f("within the window", limits.Window/time.Duration(limits.Among), Open)
	f("over more than the window", limits.Window/4, Closed)
}

func TestNothingOpensWithoutThresholds(t *testing.T) {
	limits := Defaults()
	limits.Run, limits.Among = 0, 0
	b, _ := newBreaker(t, limits)
	fail(t, b, host("a"), "m", BrokenOff, 1000)
	wantState(t, b, host("a"), "m", Closed)
}

// TestProbes goes through three probes: one is abandoned, one fails, one succeeds.
func TestProbes(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	fail(t, b, host("a"), "m", Refused, limits.Run)
	c.advance(limits.Pause - 1)
	wantState(t, b, host("a"), "m", Open)
	c.advance(1)
	wantState(t, b, host("a"), "m", Due)
	probe := enter(t, b, host("a"), "m")
	if !probe.Probe() {
		t.Error("the first request after the pause is no probe")
	}
	wantState(t, b, host("a"), "m", Probing)
	wantState(t, b, host("a"), "other", Probing)
	b.Abandoned(probe)
	wantState(t, b, host("a"), "m", Due)

	fail(t, b, host("a"), "other", Refused, 1)
	c.advance(2*limits.Pause - 1)
	wantState(t, b, host("a"), "m", Open)
	c.advance(1)
	b.Succeeded(enter(t, b, host("a"), "m"))
	wantState(t, b, host("a"), "m", Closed)
	wantState(t, b, host("a"), "other", Closed)
}

func TestPausesGrowAndEnd(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	fail(t, b, host("a"), "m", ServerError, limits.Run)
	pause := limits.Pause
	for range 12 {
		c.advance(pause - 1)
		wantState(t, b, host("a"), "m", Open)
		c.advance(1)
		fail(t, b, host("a"), "m", ServerError, 1)
		pause = min(2*pause, limits.MaxPause)
	}
	if pause != limits.MaxPause {
		t.Errorf("after twelve probes the pause is %v", pause)
	}
}

// TestPausesAreSpread wants no pause to be shorter than half of its length.
func TestPausesAreSpread(t *testing.T) {
	limits := Defaults()
	for _, random := range []float64{0, 0.25, 0.999} {
		got := limits.pause(1, random)
		if want := limits.Pause + time.Duration(random*float64(limits.Pause)); got != want {
			t.Errorf("random %v makes a pause of %v, want %v", random, got, want)
		}
	}
}

// TestFlapping has probes succeed and everything else fail.
func TestFlapping(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	fail(t, b, host("a"), "m", ServerError, limits.Run)
	c.advance(limits.Pause)
	b.Succeeded(enter(t, b, host("a"), "m"))
	fail(t, b, host("a"), "m", ServerError, limits.Run)
	c.advance(limits.Pause)
	wantState(t, b, host("a"), "m", Open)
	c.advance(limits.Pause)
	b.Succeeded(enter(t, b, host("a"), "m"))
	c.advance(limits.Window + 1)
	fail(t, b, host("a"), "m", ServerError, limits.Run)
	c.advance(limits.Pause)
	wantState(t, b, host("a"), "m", Due)
}

// TestOfBefore has requests end that were sent before something changed.
func TestOfBefore(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	var old []Pass
	for range 20 {
		old = append(old, enter(t, b, host("a"), "m"))
	}
	fail(t, b, host("a"), "m", ServerError, limits.Run)
	b.Succeeded(old[0])
	wantState(t, b, host("a"), "m", Open)
	b.Failed(old[1], ServerError, "late")
	c.advance(limits.Pause)
	probe := enter(t, b, host("a"), "m")
	b.Failed(old[2], ServerError, "late")
	wantState(t, b, host("a"), "m", Probing)
	b.Succeeded(probe)
	for _, pass := range old[3:] {
		b.Failed(pass, ServerError, "late")
	}
	wantState(t, b, host("a"), "m", Closed)
}

// TestBegan has the answer of a probe begin.
func TestBegan(t *testing.T) {
	f := func(kind Kind, began, failed State) {
		t.Run(kind.String(), func(t *testing.T) {
			limits := Defaults()
			b, c := newBreaker(t, limits)
			fail(t, b, host("a"), "m", kind, limits.Run)
			c.advance(limits.Pause)
			probe := enter(t, b, host("a"), "m")
			b.Began(probe)
			wantState(t, b, host("a"), "m", began)
			b.Failed(probe, BrokenAnswer, "it broke off")
			wantState(t, b, host("a"), "m", failed)
		})
	}
	f(Refused, Closed, Closed)
	f(BrokenOff, Closed, Closed)
	f(NoFirstToken, Closed, Closed)
	f(BrokenAnswer, Probing, Open)
	f(Stalled, Probing, Open)
}

// TestAProbeOfTheInstanceFailsOtherwise probes an instance with a request that
// fails in a way which otherwise counts against its model alone.
func TestAProbeOfTheInstanceFailsOtherwise(t *testing.T) {
	for kind, want := range map[Kind]State{NoFirstToken: Open, ServerError: Closed} {
		limits := Defaults()
		b, c := newBreaker(t, limits)
		fail(t, b, host("a"), "m", Refused, limits.Run)
		c.advance(limits.Pause)
		fail(t, b, host("a"), "other", kind, 1)
		wantState(t, b, host("a"), "m", want)
	}
}

// TestLostProbe has a probe of which nothing is heard any more.
func TestLostProbe(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	fail(t, b, host("a"), "m", Stalled, limits.Run)
	c.advance(limits.Pause)
	lost := enter(t, b, host("a"), "m")
	c.advance(limits.ProbeLimit)
	wantState(t, b, host("a"), "m", Due)
	probe := enter(t, b, host("a"), "m")
	b.Failed(lost, Stalled, "late")
	wantState(t, b, host("a"), "m", Probing)
	b.Succeeded(probe)
	wantState(t, b, host("a"), "m", Closed)
}

func TestSnapshot(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	if diff := cmp.Diff([]Circuit{}, b.Snapshot()); diff != "" {
		t.Error(diff)
	}
	b.Succeeded(enter(t, b, host("b"), "m"))
	fail(t, b, host("a"), "m", BrokenOff, 1)
	c.advance(time.Second)
	b.Succeeded(enter(t, b, host("a"), "m"))
	fail(t, b, host("b"), "m", ServerError, limits.Run)
	broken := Circuit{
		HostID: "a", Instance: "default", State: Closed, Since: noon(), Failures: 1, Successes: 1,
		LastKind: BrokenOff, LastError: "it did not work", LastErrorAt: noon(),
	}
	brokenModel := broken
	brokenModel.Model = "m"
	open := Circuit{
		HostID: "b", Instance: "default", Model: "m", State: Open, Since: c.at, FailuresInARow: limits.Run, Failures: limits.Run,
		LastKind: ServerError, LastError: "it did not work", LastErrorAt: c.at, NextProbeAt: c.at.Add(limits.Pause),
	}
	if diff := cmp.Diff([]Circuit{broken, brokenModel, open}, b.Snapshot()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.advance(2 * limits.Window)
	open.State, open.Failures = Due, 0
	if diff := cmp.Diff([]Circuit{open}, b.Snapshot()); diff != "" {
		t.Errorf("after two windows (-want +got):\n%s", diff)
	}
}

func TestForget(t *testing.T) {
	b, _ := newBreaker(t, Defaults())
	for _, id := range []string{"a", "b"} {
		fail(t, b, host(id), "m", ServerError, Defaults().Run)
		fail(t, b, host(id), "n", ServerError, Defaults().Run)
		fail(t, b, host(id), "o", BrokenOff, Defaults().Run)
	}
	b.Forget(func(at fleet.Target, model string) bool { return at.HostID == "a" || model == "n" })
	for _, model := range []string{"m", "n", "o"} {
		wantState(t, b, host("a"), model, Closed)
	}
	left := b.Snapshot()
	if len(left) != 3 || left[0].Model != "" || left[1].Model != "m" || left[2].Model != "o" || left[0].HostID != "b" {
		t.Errorf("left are %+v", left)
	}
	b.Forget(func(fleet.Target, string) bool { return true })
	if open := *b.open.Load(); len(open) > 0 || b.known.Load() != 0 {
		t.Errorf("of nothing, %v are open and %d known", open, b.known.Load())
	}
}

// TestReset closes what is open, whatever is still under way.
func TestReset(t *testing.T) {
	limits := Defaults()
	b, c := newBreaker(t, limits)
	late := enter(t, b, host("a"), "m")
	fail(t, b, host("a"), "m", ServerError, limits.Run)
	fail(t, b, host("a"), "n", ServerError, limits.Run-1)
	fail(t, b, host("b"), "m", Refused, limits.Run)
	c.advance(limits.Pause)
	probe := enter(t, b, host("a"), "m")
	if n := b.Reset(func(at fleet.Target, model string) bool { return at.HostID == "a" }); n != 1 {
		t.Errorf("%d were open, want 1", n)
	}
	wantState(t, b, host("a"), "m", Closed)
	wantState(t, b, host("b"), "m", Due)
	for _, pass := range []Pass{late, probe} {
		b.Failed(pass, ServerError, "late")
	}
	fail(t, b, host("a"), "m", ServerError, limits.Run-1)
	fail(t, b, host("a"), "n", ServerError, limits.Run-1)
	wantState(t, b, host("a"), "m", Closed)
	wantState(t, b, host("a"), "n", Closed)
	fail(t, b, host("a"), "m", ServerError, 1)
	wantState(t, b, host("a"), "m", Open)
	if n := b.Reset(func(fleet.Target, string) bool { return true }); n != 2 || len(*b.open.Load()) > 0 {
		t.Errorf("%d were open, want 2; open are %v", n, *b.open.Load())
	}
}

func TestSet(t *testing.T) {
	limits := Defaults()
	b, _ := newBreaker(t, limits)
	limits.Run, limits.Window = 2, time.Minute
	if err := b.Set(limits); err != nil {
		t.Fatal(err)
	}
	fail(t, b, host("a"), "m", ServerError, 2)
	wantState(t, b, host("a"), "m", Open)
}

func TestThresholdsAreChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Thresholds){
		"run":         func(l *Thresholds) { l.Run = -1 },
		"among":       func(l *Thresholds) { l.Among = -1 },
		"share":       func(l *Thresholds) { l.Share = 0 },
		"window":      func(l *Thresholds) { l.Window = time.Millisecond },
		"pause":       func(l *Thresholds) { l.Pause = 0 },
		"max pause":   func(l *Thresholds) { l.MaxPause = l.Pause - 1 },
		"probe limit": func(l *Thresholds) { l.ProbeLimit = 0 },
	} {
		limits := Defaults()
		spoil(&limits)
		if _, err := New(limits, time.Now, longest); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		b, _ := newBreaker(t, Defaults())
		if err := b.Set(limits); fault.KindOf(err) != fault.Invalid {
			t.Errorf("set %s: %v", name, err)
		}
	}
}
