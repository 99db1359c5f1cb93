// Package history takes the samples of all hosts, stores them in groups, and
// forgets the old ones.
package history

import (
	"context"
	"fmt"
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
// survives a kill of this process; it must not block. False means that too many
// rows are waiting and this one was not taken. The caller must then not hand over
// later ones of the same run either, until the agent has sent this one again: a
// run counts as stored up to its highest row.
func (h *History) Append(row fleet.SampleRow, stored func()) bool {
	select {
	case h.rows <- pending{row, stored}:
		return true
	default:
		return false
	}
}

// HasRoom reports whether rows that were not taken may come again: so much of
// the queue is free that they don't fill it at once.
func (h *History) HasRoom() bool { return len(h.rows) < cap(h.rows)/2 }

// LastSeq returns the highest stored sequence number of a host's run.
func (h *History) LastSeq(ctx context.Context, hostID, runID string) (uint64, error) {
	return h.store.LastSeq(ctx, hostID, runID)
}

// Samples calls fn for each stored row of a host taken in [from, to), oldest first.
func (h *History) Samples(ctx context.Context, hostID string, from, to time.Time, fn func(fleet.SampleRow) error) error {
	return h.store.Samples(ctx, hostID, from, to, fn)
}

// Run stores what comes until ctx ends, and then what is waiting. It also
// forgets what has become too old.
func (h *History) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	h.sweep(ctx)
	for {
		select {
		case <-ctx.Done():
			return h.drain(context.WithoutCancel(ctx), nil)
		case <-sweep.C:
			h.sweep(ctx)
		case first := <-h.rows:
			if left := h.storeGroup(ctx, h.gather(ctx, first)); left != nil {
				return h.drain(context.WithoutCancel(ctx), left)
			}
		}
	}
}

func (h *History) sweep(ctx context.Context) {
	if err := h.store.DeleteSamplesBefore(ctx, time.Now().Add(-Retention)); err != nil && ctx.Err() == nil {
		h.log.Error("old samples not deleted", "error", err)
	}
}

// gather waits a moment for more rows to be stored with the first.
func (h *History) gather(ctx context.Context, first pending) []pending {
	group := []pending{first}
	full := time.NewTimer(groupInterval)
	defer full.Stop()
	for len(group) < maxGroup {
		select {
		case p := <-h.rows:
			group = append(group, p)
		case <-full.C:
			return group
		case <-ctx.Done():
			return group
		}
	}
	return group
}

// storeGroup stores a group, until that works or ctx ends. It returns what could
// not be stored.
func (h *History) storeGroup(ctx context.Context, group []pending) (left []pending) {
	for {
		err := h.store.AppendSamples(context.WithoutCancel(ctx), rowsOf(group))
		if err == nil {
			acknowledge(group)
			return nil
		}
		h.log.Error("samples not stored", "rows", len(group), "error", err, "retry_in", retryInterval.String())
		select {
		case <-ctx.Done():
			return group
		case <-time.After(retryInterval):
		}
	}
}

// drain stores what is left of a group and what is waiting, in one go: a later
// row that is stored without an earlier one would hide that the latter is missing.
func (h *History) drain(ctx context.Context, group []pending) error {
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
		if err := h.store.AppendSamples(ctx, rowsOf(group)); err != nil {
			return fmt.Errorf("store the last %d samples: %w", len(group), err)
		}
		acknowledge(group)
		return nil
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
