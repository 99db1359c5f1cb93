package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

const (
	// flushInterval is how long a request waits for others to be stored with it.
	// A kill loses the requests of one interval at most.
	flushInterval = time.Second
	// maxWaiting is how many requests wait while they can't be stored.
	maxWaiting = 20_000
	// sweepInterval is how often old requests are deleted.
	sweepInterval = 10 * time.Minute
)

// Run stores the requests that have ended, every second until ctx ends, and what
// is left then. It also forgets what has become too old.
func (l *Ledger) Run(ctx context.Context) error {
	w := &writer{Ledger: l}
	flush, sweep := time.NewTicker(flushInterval), time.NewTicker(sweepInterval)
	defer flush.Stop()
	defer sweep.Stop()
	w.sweep(ctx)
	for {
		select {
		case <-ctx.Done():
			return w.finish(context.WithoutCancel(ctx))
		case e := <-l.ended:
			w.add(e)
		case <-flush.C:
			w.flush(ctx)
		case <-sweep.C:
			w.sweep(ctx)
		}
	}
}

// writer is the one who stores.
type writer struct {
	*Ledger
	waiting  []fleet.UsageRow
	failures int    // since storing worked last
	told     uint64 // how many lost requests the log knows of
}

func (w *writer) add(e *exchange) {
	if len(w.waiting) >= maxWaiting {
		w.lost.Add(1)
		e.capture.drop()
		return
	}
	row := e.row()
	if e.capture != nil {
		row.Capture = &e.capture.kept
	}
	w.waiting = append(w.waiting, row)
}

// flush stores what is waiting. What could not be stored goes on waiting.
func (w *writer) flush(ctx context.Context) {
	if len(w.waiting) == 0 {
		return
	}
	err := w.append(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return
	case err != nil && w.failures == 0:
		w.log.Error("usage cannot be stored; it is kept until it can", "error", err)
	case err == nil && w.failures > 0:
		w.log.Info("usage is stored again", "failures", w.failures)
	}
	if err != nil {
		w.failures++
		return
	}
	w.failures = 0
	clear(w.waiting)
	w.waiting = w.waiting[:0]
}

// sweep deletes what is too old, and tells of what was lost since the last time.
func (w *writer) sweep(ctx context.Context) {
	if lost := w.lost.Load(); lost > w.told {
		w.log.Warn("requests were not noted: too many ended at once, or they could not be stored", "requests", lost-w.told)
		w.told = lost
	}
	if err := w.store.DeleteUsageBefore(ctx, w.now().Add(-w.retention())); err != nil && ctx.Err() == nil {
		w.log.Error("old usage not deleted", "error", err)
	}
}

// finish stores what is left.
func (w *writer) finish(ctx context.Context) error {
	for {
		select {
		case e := <-w.ended:
			w.add(e)
			continue
		default:
		}
		if len(w.waiting) == 0 {
			return nil
		}
		if err := w.append(ctx); err != nil {
			return fmt.Errorf("store the usage of the last %d requests: %w", len(w.waiting), err)
		}
		return nil
	}
}
