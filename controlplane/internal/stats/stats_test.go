package stats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// counters is a store in memory that can be made to fail.
type counters struct {
	mu     sync.Mutex
	values map[string]int64
	writes int
	err    error
}

func newCounters() *counters { return &counters{values: map[string]int64{}} }

func (c *counters) Counters(context.Context) (map[string]int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.values), c.err
}

func (c *counters) AddToCounters(_ context.Context, deltas map[string]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.writes++
	for name, delta := range deltas {
		c.values[name] += delta
	}
	return nil
}

func (c *counters) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *counters) want(t *testing.T, want map[string]int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff(want, c.values); diff != "" {
		t.Errorf("stored (-want +got)\n%s", diff)
	}
}

var errDisk = errors.New("the disk is gone")

func newStats(t *testing.T, store *counters) *Stats {
	t.Helper()
	s := New(store, time.Now, hclog.NewNullLogger())
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs s until the returned function is called, which returns Run's error.
func run(t *testing.T, s *Stats) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func TestTheMeanIsOverFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStats(t, newCounters())
		want := func(mean time.Duration) {
			t.Helper()
			if got := s.MeanResponse(); got != mean {
				t.Errorf("the mean is %v, want %v", got, mean)
			}
		}
		want(0)
		s.End(4*time.Second, fleet.Answered)
		s.End(time.Hour, fleet.Failed) // says nothing about how long answers take
		s.End(time.Hour, fleet.GivenUp)
		want(4 * time.Second)
		time.Sleep(time.Minute)
		s.End(2*time.Second, fleet.Answered)
		s.End(3*time.Second, fleet.Answered)
		want(3 * time.Second)
		time.Sleep(4*time.Minute - time.Second)
		want(3 * time.Second)
		time.Sleep(time.Second) // the first has left the window
		want(2500 * time.Millisecond)
		s.End(10*time.Second, fleet.Answered) // in the slot of the first
		want(5 * time.Second)
		time.Sleep(time.Hour)
		want(0)
	})
}

func TestCountsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounters()
		first := newStats(t, store)
		stop := run(t, first)
		for range 3 {
			first.Begin()
		}
		first.End(time.Second, fleet.Failed)
		first.End(time.Second, fleet.GivenUp) // is no failure
		time.Sleep(flushInterval)
		synctest.Wait()
		store.want(t, map[string]int64{counterRequests: 3, counterFailures: 1})

		first.Begin() // in the last interval
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		store.want(t, map[string]int64{counterRequests: 4, counterFailures: 1})
		if got := newStats(t, store).Requests(); got != 4 {
			t.Errorf("after a restart there were %d requests, want 4", got)
		}
	})
}

func TestNothingIsWrittenWhereNothingHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounters()
		stop := run(t, newStats(t, store))
		time.Sleep(time.Minute)
		if err := stop(); err != nil || store.writes != 0 {
			t.Errorf("%d writes, error %v", store.writes, err)
		}
	})
}

func TestWhatCouldNotBeStoredIsStoredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounters()
		s := newStats(t, store)
		stop := run(t, s)
		store.fail(errDisk)
		s.Begin()
		time.Sleep(3 * flushInterval)
		s.Begin()
		time.Sleep(3 * flushInterval)
		store.want(t, map[string]int64{})
		if s.Requests() != 2 {
			t.Errorf("%d requests are counted, want 2", s.Requests())
		}
		store.fail(nil)
		time.Sleep(flushInterval)
		synctest.Wait()
		store.want(t, map[string]int64{counterRequests: 2})

		store.fail(errDisk)
		s.Begin()
		if err := stop(); !errors.Is(err, errDisk) {
			t.Errorf("counts that are lost for good end with %v", err)
		}
	})
}

// logged keeps the lines of a log, with their fields.
type logged struct {
	mu    sync.Mutex
	lines []string
}

// Accept implements hclog.SinkAdapter.
func (l *logged) Accept(_ string, level hclog.Level, message string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(fmt.Sprintln(append([]any{level, message}, args...)...)))
}

func (l *logged) want(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.lines); diff != "" {
		t.Errorf("logged (-want +got)\n%s", diff)
	}
}

// A store that fails for long is told of when that begins and when it is over.
func TestAFailingStoreIsLoggedTwice(t *testing.T) {
	const (
		begins = "error counters cannot be stored; they are kept until they can error the disk is gone"
		over   = "info counters are stored again failures"
	)
	synctest.Test(t, func(t *testing.T) {
		store, log := newCounters(), new(logged)
		logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard})
		logger.RegisterSink(log)
		s := New(store, time.Now, logger)
		stop := run(t, s)
		wait := func(intervals int) {
			time.Sleep(time.Duration(intervals) * flushInterval)
			synctest.Wait()
		}
		s.Begin()
		wait(2)
		log.want(t)
		store.fail(errDisk)
		s.Begin()
		wait(60)
		log.want(t, begins)
		store.fail(nil)
		wait(3)
		log.want(t, begins, over+" 60")
		store.fail(errDisk) // another time
		s.Begin()
		wait(1)
		store.fail(nil)
		wait(1)
		log.want(t, begins, over+" 60", begins, over+" 1")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestCountersThatCannotBeReadAreAnError(t *testing.T) {
	store := newCounters()
	store.fail(errDisk)
	if err := New(store, time.Now, hclog.NewNullLogger()).Load(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("error is %v", err)
	}
}

func TestStatsTakeConcurrentUse(t *testing.T) {
	store := newCounters()
	s := newStats(t, store)
	stop := run(t, s)
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for range 250 {
				s.Begin()
				s.MeanResponse()
				s.End(time.Millisecond, fleet.Answered)
			}
		})
	}
	working.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	store.want(t, map[string]int64{counterRequests: 1000})
	if got := s.MeanResponse(); got != time.Millisecond {
		t.Errorf("the mean is %v", got)
	}
}
