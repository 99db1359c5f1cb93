package router

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// parallel adds a host that serves so many requests for a model at a time.
func (l *lab) parallel(id string, places int) {
	l.join(id)
	l.report(id, fleet.Instance{Models: []fleet.HostModel{tiny()}, Parallel: places})
}

// pending is a request that is on its way.
type pending struct {
	fleet.Place
	answer *fleet.Answer
	err    error
	done   bool
}

// sends forwards a request of a key, and returns at once.
func (l *lab) sends(ctx context.Context, key string, call fleet.Call) *pending {
	p := &pending{}
	call.Place, call.From.KeyID = &p.Place, key
	go func() {
		p.answer, p.err = l.Forward(ctx, "tiny", call)
		p.done = true
	}()
	synctest.Wait()
	return p
}

// reads takes the whole answer of a request that was let in.
func (p *pending) reads(t *testing.T) {
	t.Helper()
	if !p.done || p.err != nil {
		t.Fatalf("not answered: %v, %v", p.done, p.err)
	}
	_, err := io.Copy(io.Discard, p.answer.Body)
	if err := errors.Join(err, p.answer.Body.Close()); err != nil {
		t.Error(err)
	}
	synctest.Wait()
}

func TestRequestsWaitWhereAllPlacesAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.parallel("h1", 1)
		first := l.sends(t.Context(), "a", chatCall())
		second := l.sends(t.Context(), "a", chatCall())
		third := l.sends(t.Context(), "a", chatCall())
		if !first.done || second.done || third.done {
			t.Fatalf("%v %v %v, want the first alone", first.done, second.done, third.done)
		}
		if diff := cmp.Diff([]int{0, 1, 2}, []int{first.Position(), second.Position(), third.Position()}); diff != "" {
			t.Errorf("positions (-want +got)\n%s", diff)
		}
		want := []fleet.Line{{Model: "tiny", Digest: "d1", Places: 1, Serving: 1, Waiting: 2}}
		if diff := cmp.Diff(want, l.Lines()); diff != "" {
			t.Errorf("lines (-want +got)\n%s", diff)
		}
		l.now = l.now.Add(3 * time.Second)
		first.reads(t)
		if !second.done || third.done || third.Position() != 1 {
			t.Errorf("%v %v at place %d, want the second alone", second.done, third.done, third.Position())
		}
		second.reads(t)
		third.reads(t)
		if came, waited := third.Waited(); came != 2 || waited != 3*time.Second {
			t.Errorf("the third came in at place %d and waited %v", came, waited)
		}
		if lines := l.Lines(); len(lines) != 0 {
			t.Errorf("nobody waits: %+v", lines)
		}
		if came, waited := first.Waited(); came != 0 || waited != 0 {
			t.Errorf("the first waited %v at place %d", waited, came)
		}
		l.wantIdle(t)
	})
}

// A key that sends much waits for itself, and not others for it.
func TestPlacesAreSharedAmongKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.parallel("h1", 1)
		first := l.sends(t.Context(), "greedy", chatCall())
		var more []*pending
		for range 3 {
			more = append(more, l.sends(t.Context(), "greedy", chatCall()))
		}
		modest := l.sends(t.Context(), "modest", chatCall())
		first.reads(t)
		if !modest.done {
			t.Errorf("another key's request waits at place %d", modest.Position())
		}
		modest.reads(t)
		for _, p := range more {
			p.reads(t)
		}
		l.wantIdle(t)
	})
}

// A key of a higher priority is let in sooner, though it came later.
func TestPrioritiesReachTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.parallel("h1", 1)
		first := l.sends(t.Context(), "a", chatCall())
		call := func(priority int) fleet.Call {
			c := chatCall()
			c.From.Priority = priority
			return c
		}
		low := l.sends(t.Context(), "low", call(fleet.MinPriority))
		high := l.sends(t.Context(), "high", call(fleet.MaxPriority))
		first.reads(t)
		if low.done || !high.done {
			t.Errorf("low is in: %v, high is in: %v", low.done, high.done)
		}
		high.reads(t)
		low.reads(t)
		l.wantIdle(t)
	})
}

// running lets the router's Run go on until the test ends.
func (l *lab) running(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAHostThatComesTakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.parallel("h1", 1)
		l.running(t)
		first, second := l.sends(t.Context(), "a", chatCall()), l.sends(t.Context(), "a", chatCall())
		if second.done {
			t.Fatal("two have the one place")
		}
		l.parallel("h2", 2)
		time.Sleep(resizeEvery)
		synctest.Wait()
		if !second.done || second.answer.Target.HostID != "h2" {
			t.Errorf("%v, %+v", second.done, second.answer)
		}
		first.reads(t)
		second.reads(t)
		l.wantIdle(t)
	})
}

// Where the last host goes, nobody waits for what may never come.
func TestWhoWaitsIsToldWhenTheLastHostGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.parallel("h1", 1)
		l.running(t)
		first, second := l.sends(t.Context(), "a", chatCall()), l.sends(t.Context(), "a", chatCall())
		l.registry.Disconnect("h1", 1, noon(), fleet.HostAway)
		time.Sleep(resizeEvery)
		synctest.Wait()
		if fault.KindOf(second.err) != fault.Unavailable {
			t.Errorf("%v, %v", second.done, second.err)
		}
		first.reads(t)
		l.wantIdle(t)
	})
}

func TestWhoLeavesTheLineFreesTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.parallel("h1", 1)
		first := l.sends(t.Context(), "a", chatCall())
		ctx, cancel := context.WithCancel(t.Context())
		left, next := l.sends(ctx, "a", chatCall()), l.sends(t.Context(), "a", chatCall())
		cancel()
		synctest.Wait()
		if !errors.Is(left.err, context.Canceled) || next.Position() != 1 {
			t.Errorf("%v; the next is at place %d", left.err, next.Position())
		}
		first.reads(t)
		next.reads(t)
		l.wantIdle(t)
	})
}

func TestALineHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{})
		l.options = Options{QueueLength: 2, QueueTimeout: time.Minute}
		l.parallel("h1", 1)
		first := l.sends(t.Context(), "a", chatCall())
		second, third := l.sends(t.Context(), "a", chatCall()), l.sends(t.Context(), "b", chatCall())
		if full := l.sends(t.Context(), "c", chatCall()); fault.KindOf(full.err) != fault.Unavailable || fault.RetryAfterOf(full.err) == 0 {
			t.Errorf("a line of two is full: %v", full.err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, late := range []*pending{second, third} {
			if fault.KindOf(late.err) != fault.Unavailable || fault.RetryAfterOf(late.err) < retrySoon {
				t.Errorf("after the longest wait: %v", late.err)
			}
		}
		first.reads(t)
		l.wantIdle(t)
	})
}

// What does not say how much it serves at a time, or is not about tokens, does
// not wait here.
func TestWhoDoesNotWait(t *testing.T) {
	show := fleet.Call{Method: "POST", Path: "/api/show", Body: []byte(`{"model":"tiny"}`)}
	embed := fleet.Call{Method: "POST", Path: "/api/embed", Body: []byte(`{"model":"tiny","input":"x"}`)}
	for name, c := range map[string]struct {
		places, at int // -1 for a host that does not tell
		call       fleet.Call
	}{
		"nobody tells":   {0, 9, chatCall()},
		"a look":         {1, 9, show},
		"an embedding":   {1, 1 + ahead, embed},
		"as many places": {3, 3, chatCall()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(&hosts{})
				l.parallel("h1", c.places)
				var all []*pending
				for range c.at {
					all = append(all, l.sends(t.Context(), "a", c.call))
				}
				for _, p := range all {
					p.reads(t)
				}
				l.wantIdle(t)
			})
		})
	}
}

// A place is kept while a request is tried elsewhere, and given up when all fail.
func TestFailingGivesThePlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(&hosts{err: unreachable})
		l.parallel("h1", 1)
		for range 3 {
			if p := l.sends(t.Context(), "a", chatCall()); p.err == nil {
				t.Fatalf("%+v", p)
			}
		}
		l.hosts.err = nil
		l.sends(t.Context(), "a", chatCall()).reads(t)
		l.wantIdle(t)
	})
}
