package history

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

var errDisk = errors.New("the disk is full")

// store notes what it is given, and fails while err is set.
type store struct {
	mu     sync.Mutex
	groups [][]uint64
	sweeps []time.Time
	err    error
}

func (s *store) AppendSamples(_ context.Context, rows []fleet.SampleRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	var group []uint64
	for _, r := range rows {
		group = append(group, r.Seq)
	}
	s.groups = append(s.groups, group)
	return nil
}

func (s *store) LastSeq(context.Context, string, string) (uint64, error) { return 7, s.err }

func (s *store) Samples(_ context.Context, hostID string, _, _ time.Time, fn func(fleet.SampleRow) error) error {
	return fn(fleet.SampleRow{HostID: hostID})
}

func (s *store) DeleteSamplesBefore(_ context.Context, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeps = append(s.sweeps, t)
	return s.err
}

func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// want checks which rows were stored, group by group, once nothing moves.
func (s *store) want(t *testing.T, groups ...[]uint64) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(groups, s.groups); diff != "" {
		t.Errorf("stored (-want +got)\n%s", diff)
	}
}

// feed is a history with the acknowledgements that it gave.
type feed struct {
	*History
	mu    sync.Mutex
	acked []uint64
}

func newFeed(s *store) *feed { return &feed{History: New(s, hclog.NewNullLogger())} }

// add hands rows over, and reports whether all were taken.
func (f *feed) add(seqs ...uint64) bool {
	taken := true
	for _, seq := range seqs {
		taken = f.Append(fleet.SampleRow{HostID: "h1", RunID: "r1", Seq: seq}, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.acked = append(f.acked, seq)
		}) && taken
	}
	return taken
}

func (f *feed) wantAcked(t *testing.T, want ...uint64) {
	t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.acked); diff != "" {
		t.Errorf("acknowledged (-want +got)\n%s", diff)
	}
}

// run runs the history until the returned function is called, which returns
// Run's error.
func (f *feed) run(t *testing.T) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func mustEnd(t *testing.T, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Errorf("the end: %v", err)
	}
}

func TestWhatComesTogetherIsStoredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		f := newFeed(s)
		stop := f.run(t)
		f.add(1, 2)
		time.Sleep(groupInterval / 2)
		f.add(3)
		s.want(t)
		f.wantAcked(t) // not before it is stored
		time.Sleep(groupInterval / 2)
		s.want(t, []uint64{1, 2, 3})
		f.wantAcked(t, 1, 2, 3)
		time.Sleep(time.Hour)
		f.add(4)
		time.Sleep(groupInterval)
		s.want(t, []uint64{1, 2, 3}, []uint64{4})
		f.wantAcked(t, 1, 2, 3, 4)
		mustEnd(t, stop)
	})
}

func TestAFullGroupDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		f := newFeed(s)
		stop := f.run(t)
		for seq := range uint64(maxGroup + 1) {
			f.add(seq)
		}
		synctest.Wait()
		if len(s.groups) != 1 || len(s.groups[0]) != maxGroup {
			t.Errorf("%d groups were stored at once, want one of %d rows", len(s.groups), maxGroup)
		}
		mustEnd(t, stop)
		if len(s.groups) != 2 || len(s.groups[1]) != 1 {
			t.Errorf("in the end there were %d groups", len(s.groups))
		}
	})
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errDisk}
		f := newFeed(s)
		stop := f.run(t)
		f.add(1)
		time.Sleep(groupInterval + 2*retryInterval)
		f.add(2)
		f.wantAcked(t)
		s.fail(nil)
		time.Sleep(retryInterval + groupInterval)
		s.want(t, []uint64{1}, []uint64{2})
		f.wantAcked(t, 1, 2)
		mustEnd(t, stop)
	})
}

func TestTheEndStoresWhatIsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		f := newFeed(s)
		stop := f.run(t)
		synctest.Wait()
		f.add(1, 2, 3)
		mustEnd(t, stop)
		f.wantAcked(t, 1, 2, 3)
	})
}

// A row must never be stored without those before it: its run would count as
// stored up to there.
func TestTheEndNeverLeavesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errDisk}
		f := newFeed(s)
		stop := f.run(t)
		f.add(1)
		time.Sleep(groupInterval) // the first try has failed
		synctest.Wait()
		f.add(2)
		s.fail(nil)
		mustEnd(t, stop)
		s.want(t, []uint64{1, 2})
		f.wantAcked(t, 1, 2)

		s.fail(errDisk)
		stop = f.run(t)
		f.add(3)
		if err := stop(); !errors.Is(err, errDisk) {
			t.Errorf("an end that could store nothing: %v", err)
		}
		f.wantAcked(t, 1, 2)
	})
}

func TestAFullQueueTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		f := newFeed(s)
		if !f.HasRoom() {
			t.Error("there is no room in an empty queue")
		}
		for seq := range uint64(maxWaiting) {
			if !f.add(seq) {
				t.Fatalf("row %d was not taken", seq)
			}
		}
		if f.add(maxWaiting) {
			t.Error("more was taken than may wait")
		}
		if f.HasRoom() {
			t.Error("there is room in a full queue")
		}
		mustEnd(t, f.run(t))
		if len(f.acked) != maxWaiting {
			t.Errorf("%d rows were acknowledged, want %d: the one that was not taken must not be", len(f.acked), maxWaiting)
		}
		if !f.HasRoom() {
			t.Error("there is no room afterwards")
		}
	})
}

func TestOldSamplesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errDisk} // which must not keep it from trying again
		f := newFeed(s)
		began := time.Now()
		stop := f.run(t)
		time.Sleep(sweepInterval)
		mustEnd(t, stop)
		want := []time.Time{began.Add(-Retention), began.Add(sweepInterval - Retention)}
		if diff := cmp.Diff(want, s.sweeps); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestReadingGoesToTheStore(t *testing.T) {
	f := newFeed(&store{})
	if seq, err := f.LastSeq(t.Context(), "h1", "r1"); seq != 7 || err != nil {
		t.Errorf("LastSeq is %d, %v", seq, err)
	}
	stop := errors.New("enough")
	err := f.Samples(t.Context(), "h1", time.Time{}, time.Time{}, func(row fleet.SampleRow) error {
		if row.HostID != "h1" {
			t.Errorf("row is of %q", row.HostID)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
}
