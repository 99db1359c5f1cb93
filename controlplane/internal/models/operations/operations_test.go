package operations

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// shelf is a store in memory.
type shelf struct {
	mu    sync.Mutex
	saved map[string]fleet.Operation
	saves int
	fails int // how many of the next saves fail
}

func (s *shelf) SaveOperations(_ context.Context, operations ...fleet.Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	if s.fails > 0 {
		s.fails--
		return fault.New(fault.Unavailable, "the disk is away")
	}
	for _, o := range operations {
		s.saved[o.ID] = o
	}
	return nil
}

func (s *shelf) Operations(context.Context, int) ([]fleet.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []fleet.Operation
	for _, o := range s.saved {
		list = append(list, o)
	}
	return list, nil
}

func (s *shelf) PruneOperations(context.Context, time.Time) error { return nil }

// bench is operations with a clock that a test sets.
type bench struct {
	*Operations

	store *shelf
	at    time.Time
}

func newBench(t testing.TB, store *shelf) *bench {
	t.Helper()
	if store == nil {
		store = &shelf{saved: map[string]fleet.Operation{}}
	}
	b := &bench{store: store, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.Operations = New(store, func() time.Time { return b.at }, hclog.NewNullLogger())
	if err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func download() What {
	return What{Kind: fleet.DownloadOperation, Model: "m:latest", HostID: "h1", Host: "one", TotalBytes: 100}
}

func TestAJobFromItsBeginToItsEnd(t *testing.T) {
	b := newBench(t, nil)
	j := b.Begin(download())
	_, done := j.Start(t.Context())
	for i := range int64(5) {
		b.at = b.at.Add(time.Second)
		j.Progress("fetching", i*10, 100, "")
	}
	now := j.Now()
	if now.State != fleet.OperationRunning || now.DoneBytes != 40 || now.BytesPerSecond != 10 || now.Percent() != 40 || now.Attempts != 1 {
		t.Errorf("under way it is %+v", now)
	}
	b.at = b.at.Add(window) // without news of it, as where a client has left
	got, err := b.Get(j.ID())
	changes, _, _ := b.Since(0)
	if err != nil || got.BytesPerSecond != 0 || b.List()[0].BytesPerSecond != 0 || changes[0].BytesPerSecond != 0 || got.DoneBytes != 40 {
		t.Errorf("after a while without news it is %+v, %v", got, err)
	}
	j.Progress("fetching", 20, 100, "") // begun again somewhere
	if now := j.Now(); now.DoneBytes != 40 {
		t.Errorf("it went back to %d bytes", now.DoneBytes)
	}
	done()
	j.End(nil)
	b.save(t.Context(), false)
	want := j.Now()
	if want.State != fleet.OperationDone || want.Percent() != 100 || want.EndedAt.IsZero() {
		t.Errorf("at the end it is %+v", want)
	}
	if diff := cmp.Diff(want, b.store.saved[j.ID()]); diff != "" {
		t.Errorf("what is stored (-want +got)\n%s", diff)
	}
}

func TestWhatAnOperationWaitsFor(t *testing.T) {
	b := newBench(t, nil)
	j := b.Begin(download())
	j.Wait(fleet.WaitsForHost, "the host is away")
	_, version, _ := b.Since(0)
	j.Wait(fleet.WaitsForHost, "the host is away")
	if changes, _, _ := b.Since(version); len(changes) != 0 {
		t.Errorf("what is known already is told as %+v", changes)
	}
	b.save(t.Context(), false)
	next := newBench(t, b.store)
	if got := next.List(); len(got) != 1 || !got[0].Away() || got[0].Message != "the host is away" {
		t.Fatalf("after a restart there are %+v", got)
	}
	j = next.Begin(download())
	_, done := j.Start(t.Context())
	if now := j.Now(); now.Reason != "" || now.Message != "" {
		t.Errorf("under way it is %+v", now)
	}
	j.Wait(fleet.WaitsForTurn, "something else is done there") // too late
	j.Progress("fetching", 1, 2, "on its way")
	done()
	j.End(nil)
	if now := j.Now(); now.State != fleet.OperationDone || now.Reason != "" || now.Message != "" {
		t.Errorf("at the end it is %+v", now)
	}
}

func TestOneThatWaitsIsForgoneBeforeItIsCancelled(t *testing.T) {
	b := newBench(t, nil)
	var fails error
	asked := 0
	w := download()
	w.Forgo = func(context.Context) error { asked++; return fails }
	j := b.Begin(w)
	fails = fault.New(fault.Unavailable, "the disk is away")
	if _, err := b.Cancel(t.Context(), j.ID()); fault.KindOf(err) != fault.Unavailable || j.Now().State.Ended() {
		t.Errorf("%v; it is %+v", err, j.Now())
	}
	fails = nil
	if op, err := b.Cancel(t.Context(), j.ID()); err != nil || op.State != fleet.OperationCancelled || asked != 2 {
		t.Errorf("asked %d times, %v; it is %+v", asked, err, op)
	}
	ctx, done := j.Start(t.Context()) // by somebody who was about to
	defer done()
	<-ctx.Done()
	j.End(nil)
	if now := j.Now(); !errors.Is(context.Cause(ctx), ErrCancelled) || now.State != fleet.OperationCancelled || now.Attempts != 0 {
		t.Errorf("%v; it is %+v", context.Cause(ctx), now)
	}
}

// Progress that comes many times a second must not be written as often, and what matters
// at once.
func TestProgressIsStoredNowAndThen(t *testing.T) {
	b := newBench(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	j := b.Begin(download())
	for i := range int64(100) {
		j.Progress("fetching", i, 100, "")
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if op := b.store.saved[j.ID()]; op.DoneBytes != 99 || b.store.saves > 3 {
		t.Errorf("stored %d times, at last %+v", b.store.saves, op)
	}
}

func TestManyAreStoredTogether(t *testing.T) {
	b := newBench(t, nil)
	const many = 2*saveAtOnce + 1
	for i := range many {
		w := download()
		w.HostID = fmt.Sprint(i)
		b.Begin(w)
	}
	b.store.fails = 1
	b.save(t.Context(), false)
	if b.store.saves != 3 || len(b.store.saved) != many-saveAtOnce {
		t.Errorf("stored %d times, and then there are %d", b.store.saves, len(b.store.saved))
	}
	b.save(t.Context(), true) // what could not be stored
	if b.store.saves != 4 || len(b.store.saved) != many {
		t.Errorf("stored %d times, and then there are %d", b.store.saves, len(b.store.saved))
	}
	b.save(t.Context(), true)
	if next := newBench(t, b.store); b.store.saves != 4 || len(next.UnderWay()) != many {
		t.Errorf("stored %d times; after a restart %d are under way", b.store.saves, len(next.UnderWay()))
	}
}

func TestWhatWasUnderWayIsGoneOnWithAfterARestart(t *testing.T) {
	b := newBench(t, nil)
	j := b.Begin(download())
	_, done := j.Start(t.Context())
	defer done()
	j.Progress("fetching", 60, 100, "")
	b.save(t.Context(), true)

	next := newBench(t, b.store)
	if got := next.List(); len(got) != 1 || got[0].State != fleet.OperationWaiting || got[0].DoneBytes != 60 {
		t.Fatalf("after the restart there are %+v", got)
	}
	if again := next.Begin(download()); again.ID() != j.ID() {
		t.Error("another operation was begun")
	}
	other := download()
	other.HostID = "h2"
	if next.Begin(other).ID() == j.ID() {
		t.Error("one host's operation is taken for another's")
	}
}

// A kill can come between the end of a job and that being stored.
func TestWhatNobodyGoesOnWithAfterARestartEnds(t *testing.T) {
	b := newBench(t, nil)
	b.Begin(download())
	lost, goesOn := b.Begin(What{Kind: fleet.StoreOperation, Model: "lost"}), b.Begin(What{Kind: fleet.StoreOperation, Model: "goes-on"})
	b.save(t.Context(), true)

	next := newBench(t, b.store)
	next.Begin(What{Kind: fleet.StoreOperation, Model: "goes-on"})
	next.Settle(fleet.StoreOperation)
	if op, err := next.Get(lost.ID()); err != nil || op.State != fleet.OperationFailed || op.Error == "" {
		t.Errorf("%+v, %v", op, err)
	}
	if op, err := next.Get(goesOn.ID()); err != nil || op.State != fleet.OperationWaiting {
		t.Errorf("%+v, %v", op, err)
	}
	if left := next.UnderWay(); len(left) != 2 {
		t.Errorf("under way are %+v", left)
	}
}

func TestCancelling(t *testing.T) {
	b := newBench(t, nil)
	waiting, running := b.Begin(download()), b.Begin(What{Kind: fleet.StoreOperation, Model: "m"})
	if op, err := b.Cancel(t.Context(), waiting.ID()); err != nil || op.State != fleet.OperationCancelled {
		t.Errorf("one that waits: %+v, %v", op, err)
	}
	ctx, done := running.Start(t.Context())
	defer done()
	if _, err := b.Cancel(t.Context(), running.ID()); err != nil {
		t.Error(err)
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), ErrCancelled) {
		t.Errorf("the cause is %v", context.Cause(ctx))
	}
	running.End(context.Cause(ctx))
	if op := running.Now(); op.State != fleet.OperationCancelled || op.Error != "" {
		t.Errorf("one that ran: %+v", op)
	}
	_, err := b.Cancel(t.Context(), running.ID())
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("cancelling what has ended: %v", err)
	}
	if _, err := b.Cancel(t.Context(), "op_none"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("cancelling nothing: %v", err)
	}
}

func TestTryingAgain(t *testing.T) {
	b := newBench(t, nil)
	asked := 0
	w := download()
	w.Retry = func(context.Context) (*Job, error) {
		asked++
		return b.Begin(w), nil
	}
	j := b.Begin(w)
	_, done := j.Start(t.Context())
	if _, err := b.Cancel(t.Context(), j.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Retry(t.Context(), j.ID()); fault.KindOf(err) != fault.Conflict || asked != 0 {
		t.Errorf("trying what is being cancelled: %v, asked %d times", err, asked)
	}
	done()
	j.Again(fault.New(fault.Unavailable, "the host could not be reached"), b.at.Add(time.Minute))
	if op := j.Now(); op.State != fleet.OperationWaiting || op.Code != "unavailable" || op.Error == "" || op.RetryAt.IsZero() {
		t.Errorf("it waits as %+v", op)
	}
	if op, err := b.Retry(t.Context(), j.ID()); err != nil || asked != 1 || op.ID != j.ID() {
		t.Errorf("asked %d times, it is tried as %+v, %v", asked, op, err)
	}
	j.End(fault.New(fault.Invalid, "it is no model"))
	next, err := b.Retry(t.Context(), j.ID())
	if err != nil || asked != 2 || next.ID == j.ID() || next.State != fleet.OperationWaiting {
		t.Errorf("what has failed is tried as %+v, %v", next, err)
	}
	if again, err := b.Retry(t.Context(), j.ID()); err != nil || again.ID != next.ID {
		t.Errorf("once more it is tried as %+v, %v", again, err)
	}
	b.End(next.ID, nil)
	if _, err := b.Retry(t.Context(), next.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("trying what is done: %v", err)
	}
	w.Retry = func(context.Context) (*Job, error) { return nil, fault.New(fault.Unavailable, "not now") }
	j = b.Begin(w)
	if _, err := b.Retry(t.Context(), j.ID()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("what can't be tried: %v", err)
	}
}

func TestChangesAreSeenOnceAndInTheirOrder(t *testing.T) {
	b := newBench(t, nil)
	_, version, changed := b.Since(0)
	one, two := b.Begin(download()), b.Begin(What{Kind: fleet.StoreOperation, Model: "m"})
	<-changed
	one.Progress("fetching", 1, 100, "")
	changes, version, _ := b.Since(version)
	if len(changes) != 2 || changes[0].ID != two.ID() || changes[1].DoneBytes != 1 {
		t.Errorf("changes are %+v", changes)
	}
	if changes, _, _ := b.Since(version); len(changes) != 0 {
		t.Errorf("seen twice: %+v", changes)
	}
}

func TestOldOnesAreForgotten(t *testing.T) {
	b := newBench(t, nil)
	ended, waiting := b.Begin(download()), b.Begin(What{Kind: fleet.StoreOperation, Model: "m"})
	ended.End(nil)
	b.at = b.at.Add(retention + time.Second)
	b.prune(t.Context())
	if list := b.List(); len(list) != 1 || list[0].ID != waiting.ID() {
		t.Errorf("left are %+v", list)
	}
}

// BenchmarkBegin begins a job again where twenty thousand wait.
func BenchmarkBegin(b *testing.B) {
	const models, hosts = 20, 1000
	o := New(&shelf{saved: map[string]fleet.Operation{}}, time.Now, hclog.NewNullLogger())
	what := func(i int) What {
		return What{Kind: fleet.DownloadOperation, Model: fmt.Sprintf("model-%d", i%models), HostID: fmt.Sprintf("host-%d", i/models)}
	}
	for i := range models * hosts {
		o.Begin(what(i))
	}
	again := what(models * hosts / 2)
	for b.Loop() {
		o.Begin(again)
	}
	if n := len(o.List()); n != models*hosts {
		b.Errorf("there are %d operations", n)
	}
}
