package ollama

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// GPUs is what is known of the host's GPUs at a moment. The zero value knows
// nothing.
type GPUs struct {
	// Known says that all cards were just read and are real, that each told of the
	// processes which use it, and that their numbers are those that they have here.
	Known     bool
	FreeBytes uint64                     // on the cards that are well and not cut up
	Shares    map[uint32][]wire.GPUShare // by process
}

// place says of each loaded model on which GPUs it is, as far as that is known.
func (w *watcher) place(ctx context.Context, loaded []wire.LoadedModel) {
	var gpus GPUs
	if w.cfg.GPUs != nil {
		gpus = w.cfg.GPUs()
	}
	serve, ok := w.serving.process()
	if !gpus.Known || !ok {
		w.board.runs(nil)
		w.slow.forget()
		w.board.note("")
		return
	}
	runners := runnersOf(serve.PID)
	w.board.runs(runners)
	for i := range loaded {
		m := &loaded[i]
		r, ok := w.runnerOf(ctx, m, runners, len(loaded))
		if !ok {
			continue
		}
		shares := gpus.Shares[uint32(r.PID)]
		// A card is asked for its processes less often than Ollama for its models.
		if len(shares) > 0 || m.SizeVRAMBytes == 0 {
			m.GPUsKnown, m.GPUs = true, shares
		}
	}
	w.board.note(w.slow.judge(time.Now(), w.cfg.Timing.FallbackHold, gpus.FreeBytes, loaded))
}

// runnerOf returns the process that runs a loaded model: the one that was started
// with its file. Where Ollama doesn't tell the file, a single model is run by a
// single runner.
func (w *watcher) runnerOf(ctx context.Context, m *wire.LoadedModel, runners []runner, models int) (runner, bool) {
	file, ok := w.files[m.Digest]
	if !ok {
		var err error
		if file, err = w.client.file(ctx, m.Name); err != nil {
			w.log.Debug("file of a model not known", "model", m.Name, "error", err)
		} else {
			w.files[m.Digest] = file
		}
	}
	at := slices.IndexFunc(runners, func(r runner) bool { return file != "" && filepath.Base(r.model) == file })
	switch {
	case at >= 0:
		return runners[at], true
	case models == 1 && len(runners) == 1 && (file == "" || runners[0].model == ""):
		return runners[0], true
	}
	return runner{}, false
}

// modelFile finds the name of a model's file in what Ollama says that it is made
// from, "" where that is none.
func modelFile(modelfile string) string {
	for line := range strings.Lines(modelfile) {
		if from, ok := strings.CutPrefix(strings.TrimSpace(line), "FROM "); ok {
			if file := filepath.Base(strings.TrimSpace(from)); strings.HasPrefix(file, "sha256-") {
				return file
			}
		}
	}
	return ""
}
