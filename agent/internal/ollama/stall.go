package ollama

import (
	"context"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// watchProgress finds generations that stand still.
func (w *watcher) watchProgress(ctx context.Context) {
	var found time.Time // when the last stall was found
	var idle idleness
	every(ctx, w.cfg.Timing.StallsEvery, func() {
		now := time.Now()
		s, ok := w.progress.stalled(now, w.lastLoad(), w.cfg.Stalls)
		idled := w.idled(ctx, &idle, now)
		var sentence string
		switch {
		case ok && s.first && w.progress.waits(now, w.cfg.Stalls) && w.loading(ctx):
			w.loadSeen(time.Now())
			return
		case ok:
			sentence = s.sentence()
		case idled > 0 && w.cutLost():
			idle.forget()
			w.progress.forgive(now)
			return
		case idled > 0:
			sentence = fmt.Sprintf("Requests have waited for %v, in which Ollama computed nothing.", idled.Round(100*time.Millisecond))
		default:
			w.recover(found, now)
			return
		}
		found = now
		idle.forget()
		w.progress.forgive(now)
		w.tell(ctx, verdict{cause: CauseStalled, message: sentence})
	})
}

// errLost is what a request is broken off with whose answer can't come any more.
var errLost = fault.New(fault.Unavailable, "Ollama on this host lost the request when its runner was replaced").On(fault.Ollama)

// cutLost breaks off the requests that Ollama left without an end when their
// runner was killed, and reports whether there were any. To restart all of it for
// them would cost the others theirs.
func (w *watcher) cutLost() bool {
	n := w.progress.cutRobbed(errLost)
	if n > 0 {
		w.log.Warn("requests broken off that ollama lost when its runners were killed", "requests", n)
	}
	return n > 0
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
// that the instance works again, but for a runner that was stopped and still is.
func (w *watcher) recover(found, now time.Time) {
	if w.board.troubled(CauseStalled) == "" {
		return
	}
	moved := w.progress.progressed().After(found)
	held := w.progress.inFlight() == 0 && now.Sub(found) >= w.cfg.Timing.StallHold
	if moved || held && !w.stopped() {
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
	serve, ok := w.serving.process()
	if !ok {
		return false
	}
	for _, r := range runnersOf(serve.PID) {
		if loads, _ := r.loads(ctx, w.client.http); loads { // one that can't be asked does not load
			return true
		}
	}
	return false
}
