package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestPlacesAreHandedOnInOrder(t *testing.T) {
	q, _ := lab(Options{}, 2)
	first, second := enter(t, q, "a", 1), enter(t, q, "a", 1)
	third, fourth := enter(t, q, "a", 1), enter(t, q, "a", 1)
	if !isIn(first) || !isIn(second) || isIn(third) || isIn(fourth) {
		t.Fatal("two of four should be in")
	}
	if got := []int{second.Position(), third.Position(), fourth.Position()}; !cmp.Equal(got, []int{0, 1, 2}) {
		t.Errorf("positions %v", got)
	}
	if diff := cmp.Diff([]State{{model, 2, 2, 2}}, q.States(nil)); diff != "" {
		t.Error(diff)
	}
	first.Leave(1)
	first.Leave(1) // counts once
	if !isIn(third) || isIn(fourth) {
		t.Error("one place became free, for the third")
	}
	fourth.Leave(0) // before its turn
	second.Leave(1)
	third.Leave(1)
	if diff := cmp.Diff([]State{{model, 2, 0, 0}}, q.States(nil)); diff != "" {
		t.Error(diff)
	}
	if isIn(fourth) {
		t.Error("who left is let in")
	}
}

// Where nobody says how many fit, nobody waits.
func TestCapacityComesAndGoes(t *testing.T) {
	q := New(Options{Now: time.Now})
	early := enter(t, q, "a", 1)
	if !isIn(early) {
		t.Fatal("waits though the capacity is unknown")
	}
	q.SetCapacity(model, 1)
	var waiting []*Ticket
	for range 4 {
		waiting = append(waiting, enter(t, q, "a", 1))
	}
	count := func() (n int) {
		for _, w := range waiting {
			if isIn(w) {
				n++
			}
		}
		return n
	}
	for _, step := range []struct{ places, in int }{{1, 0}, {2, 1}, {0, 1}, {3, 2}, {1, 2}, {Unknown, 4}} {
		if q.SetCapacity(model, step.places); count() != step.in {
			t.Errorf("%d let in with %d places, want %d", count(), step.places, step.in)
		}
	}
	for _, w := range append(waiting, early) {
		w.Leave(1)
	}
	if got := q.States(nil); len(got) != 0 {
		t.Errorf("a line remains: %v", got)
	}
}

func TestACallerThatLeavesFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := lab(Options{MaxWaiting: 1}, 1)
		serving := enter(t, q, "a", 1)
		ctx, cancel := context.WithCancel(t.Context())
		left, err := q.Enter(ctx, Request{Model: model, KeyID: "a"})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if diff := cmp.Diff(State{model, 1, 1, 0}, stateOf(q)); diff != "" {
			t.Error(diff)
		}
		next := enter(t, q, "b", 1) // there is room again
		serving.Leave(1)
		if isIn(left) || !isIn(next) || left.Position() != 0 {
			t.Error("the place went to the one who left")
		}
		left.Leave(1)
		if _, err := q.Enter(ctx, Request{Model: model}); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		if diff := cmp.Diff(State{model, 1, 1, 0}, stateOf(q)); diff != "" {
			t.Error(diff)
		}
		next.Leave(1)
	})
}

// A caller that leaves while it is served keeps its place until that is over.
func TestServiceEndsWithLeaveAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := lab(Options{}, 1)
		first := enter(t, q, "a", 1)
		ctx, cancel := context.WithCancel(t.Context())
		second, err := q.Enter(ctx, Request{Model: model})
		if err != nil {
			t.Fatal(err)
		}
		first.Leave(1)
		cancel()
		synctest.Wait()
		if got := stateOf(q); got.Serving != 1 || !isIn(second) {
			t.Errorf("%+v", got)
		}
		second.Leave(1)
	})
}

func TestFullLines(t *testing.T) {
	q, c := lab(Options{MaxWaiting: 3, MaxWaitingPerKey: 2}, 1)
	warm := enter(t, q, "a", 1)
	c.pass(8 * time.Second)
	warm.Leave(1)
	serving := enter(t, q, "a", 1)
	enterAt(t, q, "a", 0, 1)
	enterAt(t, q, "a", 1, 1) // of one key, whatever the priority
	refused := func(key string, kind fault.Kind, advice time.Duration, words string) {
		t.Helper()
		_, err := q.Enter(context.Background(), Request{Model: model, KeyID: key})
		if fault.KindOf(err) != kind || fault.RetryAfterOf(err) != advice || fault.MessageOf(err) != words {
			t.Errorf("%v: %v, after %v", fault.KindOf(err), err, fault.RetryAfterOf(err))
		}
	}
	refused("a", fault.RateLimited, 16*time.Second,
		`2 requests of this key are waiting for model "tiny:latest" already, and no more can; wait for one of them`)
	enter(t, q, "b", 1)
	refused("c", fault.Unavailable, 16*time.Second,
		`3 requests are waiting for model "tiny:latest" already, and no more can; try again later`)
	if got := stateOf(q); got.Waiting != 3 {
		t.Errorf("who was refused waits: %+v", got)
	}
	serving.Leave(1)
	enter(t, q, "c", 1)
}

// A key that is alone gets most of the line, and never all of it.
func TestThereIsRoomForAKeyThatComesAnew(t *testing.T) {
	q, _ := lab(Options{MaxWaiting: 9}, 1)
	enter(t, q, "a", 1)
	for range 6 {
		enter(t, q, "a", 1)
	}
	again := func(key string) fault.Kind {
		_, err := q.Enter(context.Background(), Request{Model: model, Name: "m", KeyID: key})
		return fault.KindOf(err)
	}
	if got := again("a"); got != fault.RateLimited {
		t.Errorf("a seventh of nine places: %v", got)
	}
	if got := again("b"); got != fault.None {
		t.Errorf("another key: %v", got)
	}
	q.SetMaxWaiting(7)
	if got := again("b"); got != fault.Unavailable {
		t.Errorf("a line that was made shorter: %v", got)
	}
}

func TestExpected(t *testing.T) {
	q, c := lab(Options{}, 2)
	a, b := enter(t, q, "a", 1), enter(t, q, "a", 1)
	waiting := enter(t, q, "a", 1)
	if wait, known := waiting.Expected(); known {
		t.Errorf("%v, of which nothing can be known", wait)
	}
	if wait, known := a.Expected(); wait != 0 || !known {
		t.Errorf("%v %t for one in service", wait, known)
	}
	c.pass(4 * time.Second)
	a.Leave(1) // lets the waiting one in
	for i := range 3 {
		last := enter(t, q, "a", 1)
		if wait, known := last.Expected(); !known || wait != time.Duration(i+1)*2*time.Second {
			t.Errorf("%d before it: %v %t", i, wait, known)
		}
	}
	if waited, did := waiting.Waited(); waited != 4*time.Second || !did {
		t.Errorf("waited %v %t", waited, did)
	}
	if waited, did := b.Waited(); waited != 0 || did {
		t.Errorf("waited %v %t without a line", waited, did)
	}
	last := enter(t, q, "a", 1)
	c.pass(time.Second)
	if waited, did := last.Waited(); waited != time.Second || !did {
		t.Errorf("has waited %v %t so far", waited, did)
	}
	q.SetCapacity(model, 0)
	if wait, known := last.Expected(); known {
		t.Errorf("%v without a host", wait)
	}
}

// Names of models and keys come from strangers; what they leave behind is bounded.
func TestMemoryIsBounded(t *testing.T) {
	q := New(Options{Now: time.Now})
	for i := range 10_000 {
		ticket, err := q.Enter(context.Background(), Request{Model: fmt.Sprint(i), KeyID: "a"})
		if err != nil {
			t.Fatal(err)
		}
		ticket.Leave(1)
	}
	if len(q.lines) > 2*minSweep {
		t.Errorf("%d lines remain", len(q.lines))
	}
	q.SetCapacity(model, 1)
	serving := enter(t, q, "z", 1) // the line is never idle
	for i := range 10_000 {
		next := enter(t, q, keyName(i), 1)
		serving.Leave(1)
		serving = next
	}
	if n := len(q.lines[model].level(0).flows); n > 2*minSweep {
		t.Errorf("%d keys remain", n)
	}
}
