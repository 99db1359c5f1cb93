// Package stats counts requests to models: how many there ever were, and how
// long the latest took.
package stats

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// The counters that are kept.
const (
	counterRequests = "requests_total"
	counterFailures = "requests_failed_total"
)

// window is the time over which response times are averaged, in slots of one second.
const window = 5 * 60

// flushInterval is how long a count may wait to be stored. A kill loses the
// counts of one interval at most.
const flushInterval = time.Second

// Stats counts. Its methods may be called concurrently.
type Stats struct {
	store fleet.CounterStore
	log   hclog.Logger
	now   func() time.Time

	mu       sync.Mutex
	requests int64 // ever
	pending  map[string]int64
	slots    [window]slot
}

// slot is what ended within one second.
type slot struct {
	second int64 // Unix; tells a current slot from one of an earlier round
	count  int64
	sum    time.Duration
}

// New returns stats over a store. Load has to be called before the first use.
func New(store fleet.CounterStore, now func() time.Time, log hclog.Logger) *Stats {
	return &Stats{store: store, log: log, now: now, pending: map[string]int64{}}
}

// Load reads what earlier runs counted.
func (s *Stats) Load(ctx context.Context) error {
	counters, err := s.store.Counters(ctx)
	if err != nil {
		return fmt.Errorf("load counters: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = counters[counterRequests]
	return nil
}

// Begin counts a request.
func (s *Stats) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.pending[counterRequests]++
}

// End notes how a request ended, and how long it took from its beginning to
// the last byte of its answer. The mean is of whole answers alone: how long
// somebody waited before giving up says nothing about how long answers take.
func (s *Stats) End(took time.Duration, how fleet.Outcome) {
	second := s.now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if how == fleet.Failed {
		s.pending[counterFailures]++
	}
	if how != fleet.Answered {
		return
	}
	at := &s.slots[second%window]
	if at.second != second {
		*at = slot{second: second}
	}
	at.count++
	at.sum += took
}

// Requests returns how many requests there were since the data directory was made.
func (s *Stats) Requests() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// MeanResponse returns the mean time that the requests of the last five minutes
// took, and 0 when there were none.
func (s *Stats) MeanResponse() time.Duration {
	oldest := s.now().Unix() - window
	s.mu.Lock()
	defer s.mu.Unlock()
	var count int64
	var sum time.Duration
	for i := range s.slots {
		if s.slots[i].second > oldest {
			count += s.slots[i].count
			sum += s.slots[i].sum
		}
	}
	if count == 0 {
		return 0
	}
	return sum / time.Duration(count)
}

// Run stores the counts every second until ctx ends, and once more then.
func (s *Stats) Run(ctx context.Context) error {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	failures := 0 // since the counts were stored last
	for {
		select {
		case <-ctx.Done():
			return s.flush(context.WithoutCancel(ctx))
		case <-tick.C:
			if err := s.flush(ctx); ctx.Err() == nil {
				failures = s.tell(failures, err)
			}
		}
	}
}

// tell logs when storing begins to fail and when it works again, and not what
// repeats itself each second in between. It returns how often storing has failed
// since it worked last.
func (s *Stats) tell(failures int, err error) int {
	switch {
	case err != nil && failures == 0:
		s.log.Error("counters cannot be stored; they are kept until they can", "error", err)
	case err == nil && failures > 0:
		s.log.Info("counters are stored again", "failures", failures)
	}
	if err == nil {
		return 0
	}
	return failures + 1
}

// flush stores what is pending. What could not be stored stays pending.
func (s *Stats) flush(ctx context.Context) error {
	s.mu.Lock()
	deltas := s.pending
	s.pending = map[string]int64{}
	s.mu.Unlock()
	if len(deltas) == 0 {
		return nil
	}
	err := s.store.AddToCounters(ctx, deltas)
	if err != nil {
		s.mu.Lock()
		for name, delta := range deltas {
			s.pending[name] += delta
		}
		s.mu.Unlock()
	}
	return err
}
