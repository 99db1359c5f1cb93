package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

// bump adds one to a counter.
func bump(name string) operation {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1`, name)
		return err
	}
}

// held occupies the writer until release is called, so that what is written
// meanwhile gathers in one group.
func held(t *testing.T, w *writer) (release func()) {
	t.Helper()
	w.turn <- struct{}{}
	return func() { <-w.turn }
}

// queued yields to the callers until n operations stand in the queue.
func queued(t *testing.T, w *writer, n int) {
	t.Helper()
	for {
		w.mu.Lock()
		length := len(w.queue)
		w.mu.Unlock()
		if length == n {
			return
		}
		runtime.Gosched()
	}
}

func TestWritersShareATransactionAndNotTheirErrors(t *testing.T) {
	db := openTest(t, t.TempDir())
	w := db.State.writer
	before := w.commits.Load()
	release := held(t, w)
	refusal := errors.New("refused")
	var (
		callers sync.WaitGroup
		errs    [20]error
	)
	for i := range errs {
		callers.Go(func() {
			errs[i] = w.write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := bump(fmt.Sprint(i))(ctx, tx); err != nil || i%2 == 0 {
					return errors.Join(err, refusal)
				}
				return nil
			})
		})
	}
	queued(t, w, len(errs))
	release()
	callers.Wait()
	counters, err := db.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		_, stored := counters[fmt.Sprint(i)]
		if fails := i%2 == 0; errors.Is(err, refusal) != fails || stored == fails {
			t.Errorf("write %d: error %v, stored %v", i, err, stored)
		}
	}
	if commits := w.commits.Load() - before; commits != 1 {
		t.Errorf("20 writes took %d transactions, want 1", commits)
	}
}

func TestACallerThatLeavesBeforeItsTurnWritesNothing(t *testing.T) {
	db := openTest(t, t.TempDir())
	w := db.State.writer
	release := held(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- db.State.write(ctx, "test", bump("left")) }()
	stayed := make(chan error)
	queued(t, w, 1)
	go func() { stayed <- db.State.write(t.Context(), "test", bump("stayed")) }()
	queued(t, w, 2)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that left got %v", err)
	}
	release()
	if err := <-stayed; err != nil {
		t.Errorf("the one that stayed got %v", err)
	}
	counters, err := db.Counters(t.Context())
	if err != nil || len(counters) != 1 || counters["stayed"] != 1 {
		t.Errorf("counters are %v (%v), want stayed alone", counters, err)
	}
}

func TestATransactionThatIsLostIsLostForAllOfIt(t *testing.T) {
	db := openTest(t, t.TempDir())
	w := db.State.writer
	release := held(t, w)
	var (
		callers sync.WaitGroup
		errs    [3]error
	)
	for i := range errs {
		callers.Go(func() {
			errs[i] = w.write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if i != 1 {
					return bump("x")(ctx, tx)
				}
				// As SQLite does by itself when the disk is full.
				_, err := tx.ExecContext(ctx, "ROLLBACK")
				return errors.Join(err, errors.New("disk full"))
			})
		})
	}
	queued(t, w, len(errs))
	release()
	callers.Wait()
	for i, err := range errs {
		if err == nil {
			t.Errorf("write %d was acknowledged", i)
		}
	}
	if counters, err := db.Counters(t.Context()); err != nil || len(counters) != 0 {
		t.Errorf("counters are %v (%v), want none", counters, err)
	}
	if err := w.write(t.Context(), bump("x")); err != nil {
		t.Errorf("the write after it: %v", err)
	}
}

func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	db := openTest(t, t.TempDir())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.State.writer.write(t.Context(), func(context.Context, *sql.Tx) error { panic("bug") }) // it panics
	}()
	if err := db.AddToCounters(t.Context(), map[string]int64{"after": 1}); err != nil {
		t.Error(err)
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir)
	w := db.State.writer
	release := held(t, w)
	const writes = maxGroup + 10 // more than one group
	var callers sync.WaitGroup
	for range writes {
		callers.Go(func() {
			if err := db.State.write(t.Context(), "test", bump("x")); err != nil {
				t.Error(err)
			}
		})
	}
	queued(t, w, writes)
	release()
	if err := db.State.Close(); err != nil {
		t.Error(err)
	}
	callers.Wait()
	if counters, err := openTest(t, dir).Counters(t.Context()); err != nil || counters["x"] != writes {
		t.Errorf("counters are %v (%v), want x = %d", counters, err, writes)
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	db := openTest(t, t.TempDir())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, listErr := db.Keys(t.Context())
	_, versionErr := db.DataVersion(t.Context())
	for _, err := range []error{listErr, versionErr, db.SaveSettings(t.Context(), nil), db.State.writer.write(t.Context(), bump("x"))} {
		if fault.KindOf(err) != fault.Unavailable {
			t.Errorf("got %v, want it to be unavailable", err)
		}
	}
}

func TestAFullDiskIsNoSpaceAndPasses(t *testing.T) {
	db := openTest(t, t.TempDir())
	pages := func(limit int) {
		t.Helper()
		if _, err := db.State.writer.pool.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", limit)); err != nil {
			t.Fatal(err)
		}
	}
	pages(30)
	if err := db.SaveSettings(t.Context(), make([]byte, 1<<20)); fault.KindOf(err) != fault.NoSpace {
		t.Errorf("got %v, want no space", err)
	}
	if err := db.AddToCounters(t.Context(), map[string]int64{"small": 1}); err != nil {
		t.Errorf("what still fits: %v", err)
	}
	pages(1000)
	if err := db.SaveSettings(t.Context(), make([]byte, 1<<20)); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
