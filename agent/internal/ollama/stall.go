package ollama

import (
	"context"
	"fmt"
	"time"
)

// watchProgress finds generations that stand still.
func (w *watcher) watchProgress(ctx context.Context) {
	var found time.Time // when the last stall was found
	every(ctx, w.cfg.Timing.StallsEvery, func() {
		now := time.Now()
		s, ok := w.progress.stalled(now, w.lastLoad(), w.cfg.Stalls)
		switch {
		case !ok:
			w.recover(found, now)
		case s.first && w.progress.waits(now, w.cfg.Stalls) && w.loading(ctx):
			w.loadSeen(time.Now())
		default:
			found = now
			w.progress.forgive(now)
			w.tell(ctx, verdict{cause: CauseStalled, message: s.sentence()})
		}
	})
}

func (s stall) sentence() string {
	quiet := s.quiet.Round(100 * time.Millisecond)
	if s.first {
		return fmt.Sprintf("A generation has produced nothing for %v, though no model is being loaded.", quiet)
	}
	return fmt.Sprintf("A generation that had begun has produced nothing for %v.", quiet)
}

// recover takes the trouble back when a generation has moved since the stall,
// or when the stalled ones have gone: without requests nothing could ever show
// that the instance works again.
func (w *watcher) recover(found, now time.Time) {
	if w.board.troubled(CauseStalled) == "" {
		return
	}
	moved := w.progress.progressed().After(found)
	held := w.progress.inFlight() == 0 && now.Sub(found) >= w.cfg.Timing.StallHold
	if moved || held {
		w.board.clear(CauseStalled)
	}
}

// loading reports whether a request may be waiting for its model: nothing is in
// memory yet, or one of our runners says that it is reading.
func (w *watcher) loading(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timing.VersionTimeout)
	defer cancel()
	if loaded, err := w.client.loaded(ctx); err == nil && len(loaded) == 0 {
		return true
	}
	if w.servePID == 0 {
		return false
	}
	for _, r := range runnersOf(w.servePID) {
		if r.loads(ctx, w.client.http) {
			return true
		}
	}
	return false
}
