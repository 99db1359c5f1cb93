// Package history takes the samples of all hosts, stores them in groups, and
// forgets the old ones.
package history

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// groupInterval is how long a sample waits for others to be stored with it.
	groupInterval = 500 * time.Millisecond
	// maxGroup is how many rows are stored at once, and maxWaiting how many may
	// wait. What comes beyond is not taken: its agent keeps it and sends it again.
	maxGroup   = 5000
	maxWaiting = 50_000
	// retryInterval is how long storing rests after a failure.
	retryInterval = 5 * time.Second
	// sweepInterval is how often old samples are deleted.
	sweepInterval = 10 * time.Minute
)

// Retention is how long samples are kept.
const Retention = 24 * time.Hour

// History stores samples. Its methods may be called concurrently.
type History struct {
	store fleet.SampleStore
	log   hclog.Logger
	rows  chan pending
}

type pending struct {
	row    fleet.SampleRow
	stored func()
}

// New returns a history over a store. Nothing is stored before Run.
func New(store fleet.SampleStore, log hclog.Logger) *History {
	return &History{store: store, log: log, rows: make(chan pending, maxWaiting)}
}

// Append hands a row over and returns at once. stored is called when the row
// survives a kill of this process; it must not block.
func (h *History) Append(row fleet.SampleRow, stored func()) {
	select {
	case h.rows <- pending{row, stored}:
	default: // not acknowledged, so not lost
	}
}

// LastSeq returns the highest stored sequence number of a host's run.
func (h *History) LastSeq(ctx context.Context, hostID, runID string) (uint64, error) {
	return h.store.LastSeq(ctx, hostID, runID)
}

// Samples calls fn for each stored row of a host taken in [from, to), oldest first.
func (h *History) Samples(ctx context.Context, hostID string, from, to time.Time, fn func(fleet.SampleRow) error) error {
	return h.store.Samples(ctx, hostID, from, to, fn)
}

// Run stores what comes until ctx ends, and then what is waiting.
func (h *History) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return h.drain(context.WithoutCancel(ctx))
		case <-sweep.C:
			if err := h.store.DeleteSamplesBefore(ctx, time.Now().Add(-Retention)); err != nil && ctx.Err() == nil {
				h.log.Error("old samples not deleted", "error", err)
			}
		case first := <-h.rows:
			h.storeGroup(ctx, first)
		}
	}
}

// storeGroup waits a moment for more, and stores all of it until that works.
func (h *History) storeGroup(ctx context.Context, first pending) {
	group := []pending{first}
	full := time.NewTimer(groupInterval)
	defer full.Stop()
	for waiting := true; waiting && len(group) < maxGroup; {
		select {
		case p := <-h.rows:
			group = append(group, p)
		case <-full.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	for {
		err := h.store.AppendSamples(context.WithoutCancel(ctx), rowsOf(group))
		if err == nil {
			acknowledge(group)
			return
		}
		h.log.Error("samples not stored", "rows", len(group), "error", err, "retry_in", retryInterval.String())
		select {
		case <-ctx.Done():
			return // the agents still have them
		case <-time.After(retryInterval):
		}
	}
}

func (h *History) drain(ctx context.Context) error {
	var group []pending
	for {
		select {
		case p := <-h.rows:
			group = append(group, p)
			continue
		default:
		}
		if len(group) == 0 {
			return nil
		}
		err := h.store.AppendSamples(ctx, rowsOf(group))
		if err == nil {
			acknowledge(group)
		}
		return err
	}
}

func rowsOf(group []pending) []fleet.SampleRow {
	rows := make([]fleet.SampleRow, len(group))
	for i := range group {
		rows[i] = group[i].row
	}
	return rows
}

func acknowledge(group []pending) {
	for _, p := range group {
		p.stored()
	}
}
