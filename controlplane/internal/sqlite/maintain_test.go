package sqlite

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestAnIdleJournalIsEmptied(t *testing.T) {
	db := openTest(t, t.TempDir())
	if err := db.SaveSettings(t.Context(), make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	size := db.State.journalBytes()
	if size < 1<<20 {
		t.Fatalf("the journal has %d bytes, want what was written", size)
	}
	db.State.maintain(t.Context(), false)
	if still := db.State.journalBytes(); still != size {
		t.Errorf("the journal of a busy file went from %d to %d bytes", size, still)
	}
	db.State.maintain(t.Context(), true)
	if left := db.State.journalBytes(); left != 0 {
		t.Errorf("the journal of an idle file still has %d bytes", left)
	}
	if saved, err := db.LoadSettings(t.Context()); err != nil || len(saved) != 1<<20 {
		t.Errorf("%d bytes of settings are left (%v)", len(saved), err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	db := openTest(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestDataVersionNoticesEveryWriter(t *testing.T) {
	dir := t.TempDir()
	server, tool := openTest(t, dir), openTest(t, dir)
	seen := int64(-1)
	step := func(what string, changed bool) {
		t.Helper()
		version, err := server.DataVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if (version != seen) != changed {
			t.Errorf("%s: the version went from %d to %d", what, seen, version)
		}
		seen = version
	}
	write := func(db *DB) {
		t.Helper()
		if err := db.AddToCounters(t.Context(), map[string]int64{"x": 1}); err != nil {
			t.Fatal(err)
		}
	}
	step("at first", true)
	step("nothing written", false)
	write(tool)
	step("written by another", true)
	step("nothing written since", false)
	write(server)
	step("written by itself", true)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := server.DataVersion(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestAHeldFileIsUnavailable(t *testing.T) {
	db := openTest(t, t.TempDir())
	other := connect(db.State.path, writing(busyTimeout), 1)
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	impatient := newWriter(connect(db.State.path, writing(10*time.Millisecond), 1))
	err = db.State.explain("bump", impatient.write(t.Context(), bump("x")))
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v, want it to be unavailable", err)
	}
	if err := errors.Join(tx.Rollback(), impatient.write(t.Context(), bump("x"))); err != nil {
		t.Errorf("after the other let go: %v", err)
	}
	if err := errors.Join(other.Close(), impatient.pool.Close()); err != nil {
		t.Error(err)
	}
}

func TestASeqOutOfRangeIsInvalid(t *testing.T) {
	db := openTest(t, t.TempDir())
	err := db.AppendSamples(t.Context(), []fleet.SampleRow{{HostID: "h", RunID: "r", Seq: 1}, {HostID: "h", RunID: "r", Seq: math.MaxInt64 + 1}})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v, want it to be invalid", err)
	}
	if last, err := db.LastSeq(t.Context(), "h", "r"); err != nil || last != 0 {
		t.Errorf("seq %d was stored (%v)", last, err)
	}
}
