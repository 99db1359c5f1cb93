package ollama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	// forEver is how far away the end of a model must be to count as never.
	// Ollama writes "never" as a time about 292 years ahead.
	forEver = 100 * 365 * 24 * time.Hour

	// A probe that made Ollama load a model anew did harm; after so many of a
	// model it is not probed any more.
	maxReloads = 3
	reload     = time.Second // from this on it was a reload
)

// probe has idle models produce one token now and then.
//
// A request sets a model's time to live anew, and there is no way to ask
// without: leaving keep_alive out extends it, and any value becomes the one for
// later requests. So only models that never expire are probed. The others are
// unloaded, and with that their runners ended, before they can be idle for long.
func (w *watcher) probe(ctx context.Context) {
	can := map[string]bool{} // by digest: it completes text
	reloads := map[string]int{}
	turn := 0
	every(ctx, w.cfg.Timing.ProbeEvery, func() {
		if w.progress.idle(time.Now()) < w.cfg.Timing.ProbeIdle {
			return
		}
		candidates := slices.DeleteFunc(w.board.snapshot().Loaded, func(m wire.LoadedModel) bool {
			return time.Until(time.UnixMilli(m.ExpiresUnixMillis)) < forEver ||
				reloads[m.Digest] >= maxReloads || !w.completes(ctx, can, m)
		})
		if len(candidates) == 0 {
			return
		}
		model := candidates[turn%len(candidates)]
		turn++
		load, err := w.probeOne(ctx, model)
		if err != nil {
			return
		}
		if load >= reload {
			reloads[model.Digest]++
			w.log.Info("a probe made ollama load a model anew", "model", model.Name, "load_time", load)
		}
	})
}

// completes reports whether a model completes text, by what it says of itself.
func (w *watcher) completes(ctx context.Context, known map[string]bool, m wire.LoadedModel) bool {
	if can, ok := known[m.Digest]; ok {
		return can
	}
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	capabilities, err := w.client.capabilities(ctx, m.Name)
	if err != nil {
		w.log.Debug("what a model can do is not known", "model", m.Name, "error", err)
		return false
	}
	known[m.Digest] = slices.Contains(capabilities, "completion")
	return known[m.Digest]
}

// probeOne tells of a stall if the model did not produce a token in time while
// nobody else wanted anything. Any other failure says nothing about stalls.
func (w *watcher) probeOne(ctx context.Context, m wire.LoadedModel) (load time.Duration, err error) {
	asking, cancel := context.WithTimeout(ctx, w.cfg.Timing.ProbeTimeout)
	defer cancel()
	load, err = w.client.generateOne(asking, m.Name, m.ContextLength)
	idle := w.progress.idle(time.Now()) >= w.cfg.Timing.ProbeTimeout
	switch {
	case err == nil:
		w.board.clear(CauseStalled)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && idle:
		w.tell(ctx, verdict{
			cause:   CauseStalled,
			message: fmt.Sprintf("The idle model %s did not produce a token within %v.", m.Name, w.cfg.Timing.ProbeTimeout),
		})
	default:
		w.log.Debug("probe failed", "model", m.Name, "error", err)
	}
	return load, err
}
