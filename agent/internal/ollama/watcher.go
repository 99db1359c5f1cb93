package ollama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/wire"
)

// pollTimeout is for an answer about models, of which an Ollama may have many.
const pollTimeout = 5 * time.Second

// usedDelay is how long after a request the loaded models are listed, so that
// many requests cause few lists.
const usedDelay = 100 * time.Millisecond

// verdict is what a watcher found to be wrong.
type verdict struct {
	cause   Cause
	message string
	refused bool // of CauseUnresponsive: nobody listens
}

// watcher observes one Ollama that has answered once. It changes nothing but
// the board; what is to be done about a verdict is decided elsewhere.
type watcher struct {
	cfg      Config
	log      hclog.Logger
	client   *client
	progress *Progress
	board    *board
	refresh  <-chan struct{}
	used     <-chan struct{}
	serving  *serving
	verdicts chan<- verdict
	ours     bool                // it is not somebody else's
	own      wire.OllamaSettings // what it was started with, where it is ours

	// Of the goroutine that polls:
	files map[string]string // of models, by their digests; see runnerOf
	slow  fallback

	mu         sync.Mutex
	freshLoad  time.Time // when a model last came into memory, or was seen on its way there
	lastUnload time.Time // when a model was last seen to have left it
	elsewhere  bool      // some of its models are run on other machines
}

// run watches until ctx is done.
func (w *watcher) run(ctx context.Context) {
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){w.watchAPI, w.poll, w.watchProgress, w.probe} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
}

func (w *watcher) tell(ctx context.Context, v verdict) {
	select {
	case w.verdicts <- v:
	case <-ctx.Done():
	}
}

// every calls f at once and then each period, until ctx is done.
func every(ctx context.Context, period time.Duration, f func()) {
	ticks := time.NewTicker(period)
	defer ticks.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// watchAPI finds an Ollama that does not answer.
func (w *watcher) watchAPI(ctx context.Context) {
	misses, answered := 0, false
	every(ctx, w.cfg.Timing.VersionEvery, func() {
		asking, cancel := context.WithTimeout(ctx, w.cfg.Timing.VersionTimeout)
		version, err := w.client.version(asking)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if misses > 0 || !answered {
				w.serving.searchAgain()
			}
			misses, answered = 0, true
			w.board.clear(CauseUnresponsive)
			parallel, settings := w.parallel(version), w.told()
			w.board.update(func(i *wire.Instance) {
				i.State, i.Reason, i.Message, i.Version, i.Parallel, i.Settings = wire.InstanceReady, "", "", version, parallel, settings
			})
			return
		}
		misses++
		w.log.Debug("ollama did not answer", "misses", misses, "error", err)
		if misses%w.cfg.Timing.VersionMisses == 0 {
			w.tell(ctx, verdict{
				cause:   CauseUnresponsive,
				message: fmt.Sprintf("Ollama did not answer %d times in a row, %v each.", misses, w.cfg.Timing.VersionTimeout),
				refused: errors.Is(err, syscall.ECONNREFUSED),
			})
		}
	})
}

// poll keeps the lists of models. After an error they stay as they were: an
// Ollama that answers nothing is found by watchAPI.
func (w *watcher) poll(ctx context.Context) {
	models := time.NewTicker(w.cfg.Timing.TagsEvery)
	defer models.Stop()
	loaded := time.NewTicker(w.cfg.Timing.LoadedEvery)
	defer loaded.Stop()
	w.pollModels(ctx)
	w.pollLoaded(ctx)
	var soon <-chan time.Time // after a request, which may have loaded its model
	for {
		select {
		case <-ctx.Done():
			return
		case <-models.C:
			w.pollModels(ctx)
		case <-loaded.C:
			w.pollLoaded(ctx)
		case <-w.used:
			if soon == nil {
				soon = time.After(usedDelay)
			}
		case <-soon:
			soon = nil
			w.pollLoaded(ctx)
		case <-w.refresh:
			w.pollModels(ctx)
			w.pollLoaded(ctx)
		}
	}
}

func (w *watcher) pollModels(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	models, elsewhere, err := w.client.models(ctx)
	if err != nil {
		w.log.Debug("list of models not read", "error", err)
		return
	}
	w.mu.Lock()
	w.elsewhere = elsewhere
	w.mu.Unlock()
	w.board.update(func(i *wire.Instance) { i.ModelsKnown, i.Models = true, models })
}

func (w *watcher) pollLoaded(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	loaded, err := w.client.loaded(ctx)
	if err != nil {
		w.log.Debug("list of loaded models not read", "error", err)
		return
	}
	w.place(ctx, loaded)
	w.board.update(func(i *wire.Instance) {
		if hasNew(loaded, i.Loaded) {
			w.loadSeen(time.Now())
		}
		if hasNew(i.Loaded, loaded) {
			w.unloadSeen(time.Now())
		}
		i.Loaded = loaded
	})
}

// hasNew reports whether a model is loaded now that was not before.
func hasNew(now, before []wire.LoadedModel) bool {
	return slices.ContainsFunc(now, func(m wire.LoadedModel) bool {
		return !slices.ContainsFunc(before, func(l wire.LoadedModel) bool { return l.Digest == m.Digest })
	})
}

func (w *watcher) loadSeen(at time.Time) {
	w.mu.Lock()
	w.freshLoad = at
	w.mu.Unlock()
}

func (w *watcher) unloadSeen(at time.Time) {
	w.mu.Lock()
	w.lastUnload = at
	w.mu.Unlock()
}

func (w *watcher) lastLoad() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.freshLoad
}
