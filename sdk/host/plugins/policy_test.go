package plugins

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// latest is the jitter that waits as long as it may.
func latest(bound time.Duration) time.Duration { return bound }

func TestRestartsAreFurtherApartEachTime(t *testing.T) {
	r := newRestarts(defaultTimes(), 100)
	r.jitter = latest
	now := time.Unix(0, 0)
	for n, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
		if wait, failed := r.exited(now, time.Second); wait != want || failed {
			t.Errorf("%d: %v, failed %v, want %v", n, wait, failed, want)
		}
	}
	if wait, _ := r.exited(now, time.Hour); wait != 500*time.Millisecond {
		t.Errorf("after it has run for an hour: %v", wait)
	}
	for range 100 {
		r := newRestarts(defaultTimes(), 100)
		if wait, _ := r.exited(now, time.Hour); wait < 0 || wait > 500*time.Millisecond {
			t.Errorf("by chance: %v", wait)
		}
	}
}

func TestManyExitsAreAFailureForAWhile(t *testing.T) {
	r := newRestarts(defaultTimes(), 5)
	now := time.Unix(0, 0)
	for n := range 7 {
		wait, failed := r.exited(now, time.Second)
		if want := n >= 4; failed != want || failed && wait != time.Minute {
			t.Errorf("%d: %v, failed %v", n, wait, failed)
		}
		now = now.Add(time.Minute)
	}
	if _, failed := r.exited(now.Add(9*time.Minute), time.Second); failed {
		t.Error("what was long ago counts")
	}
}

func TestBreakersOpenAndClose(t *testing.T) {
	var b breaker
	now := time.Unix(1_000_000, 0)
	cause := errors.New("the cause")
	call := func(o outcome) bool {
		t.Helper()
		ok, wait, last := b.allow(now)
		if ok {
			b.done(now, o, cause)
		} else if wait <= 0 || !errors.Is(last, cause) {
			t.Errorf("refused for %v because of %v", wait, last)
		}
		return ok
	}
	for range 10 {
		call(worked)
	}
	for range 9 {
		call(failed)
	}
	if b.now() != Closed {
		t.Fatal("19 calls are enough")
	}
	if call(failed); b.now() != Open {
		t.Fatal("half of 20 are not enough")
	}
	pause := 15 * time.Second
	for range 6 {
		now = now.Add(pause - time.Millisecond)
		if call(worked) {
			t.Fatalf("let through before %v", pause)
		}
		now = now.Add(time.Millisecond)
		if !call(failed) {
			t.Fatalf("refused after %v", pause)
		}
		pause = min(5*time.Minute, 2*pause)
	}
	now = now.Add(pause)
	if ok, _, _ := b.allow(now); !ok || b.now() != Probing {
		t.Fatalf("no probe, but %s", b.now())
	}
	if ok, _, _ := b.allow(now); ok {
		t.Fatal("two probes at once")
	}
	b.done(now, worked, nil)
	if !call(worked) || b.now() != Closed {
		t.Fatalf("after a probe that worked: %s", b.now())
	}
}

func TestBreakersForget(t *testing.T) {
	var b breaker
	now := time.Unix(1_000_000, 0)
	for range 100 {
		b.done(now, failed, nil)
		now = now.Add(2 * time.Second) // 15 in each window
	}
	if b.now() != Closed {
		t.Errorf("%s", b.now())
	}
	for range 100 {
		b.done(now, unclear, nil)
	}
	if b.now() != Closed {
		t.Errorf("by what says nothing: %s", b.now())
	}
}

func TestWhoseFailuresOpenWhichBreaker(t *testing.T) {
	for name, c := range map[string]struct {
		err               error
		process, instance outcome
	}{
		"none":               {nil, worked, worked},
		"not there":          {fault.New(fault.NotFound, "").On(fault.Plugin), worked, worked},
		"the caller's":       {fault.New(fault.Invalid, "").On(fault.Caller), worked, worked},
		"the service's":      {fault.New(fault.Unavailable, "").On(fault.Service), worked, failed},
		"a password":         {fault.New(fault.Unauthenticated, "").On(fault.Plugin), worked, failed},
		"too late":           {late(time.Second), worked, failed},
		"the plugin's":       {fault.New(fault.Internal, "").On(fault.Plugin), failed, unclear},
		"against the wire":   {fault.New(fault.Corrupt, "").On(fault.Plugin), failed, unclear},
		"a damaged object":   {fault.New(fault.Corrupt, "").On(fault.Service), worked, worked},
		"a full disk":        {fault.New(fault.NoSpace, "").On(fault.Plugin), worked, worked},
		"given up":           {context.Canceled, unclear, unclear},
		"the process's end":  {fmt.Errorf("%w%w", fault.New(fault.Unavailable, "").On(fault.Plugin), hidden{errEnded}), unclear, unclear},
		"an object's rights": {fault.New(fault.Forbidden, "").On(fault.Service), worked, worked},
	} {
		if process, instance := verdict(c.err); process != c.process || instance != c.instance {
			t.Errorf("%s: %v and %v, want %v and %v", name, process, instance, c.process, c.instance)
		}
	}
}
