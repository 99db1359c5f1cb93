package ollama

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// parallelVariable is by which an Ollama is told how many requests one model
// serves at a time.
const parallelVariable = "OLLAMA_NUM_PARALLEL"

// maxParallel bounds what is told of it.
const maxParallel = 1 << 16

// parallel returns how many requests one model of the watched Ollama serves at a
// time, 0 where that isn't known. The settings say it for an Ollama of ours, which
// is started with them, and for another one whose operator knows it. Else it is
// what the process was started with.
func (w *watcher) parallel(version string) uint32 {
	if n := w.cfg.Settings.NumParallel; n > 0 {
		return uint32(min(n, maxParallel))
	}
	if w.ours { // it was told what is set, and may be another user's process
		return parallelBy(version, "")
	}
	serve, ok := w.serving.process()
	if !ok || !isOllama(serve) {
		return 0
	}
	value, _, err := serve.Env(parallelVariable)
	if err != nil {
		return 0
	}
	return parallelBy(version, value)
}

// isOllama tells an Ollama from whatever else may listen in its place, as the
// proxy of a container, whose environment says nothing.
func isOllama(p procs.Process) bool {
	args, err := p.Args()
	return err == nil && len(args) > 1 && strings.Contains(filepath.Base(args[0]), "ollama") && args[1] == "serve"
}

// parallelBy returns what an Ollama of this version makes of the variable's
// value. Without one that it takes, a model serves one request at a time since
// 0.10; before, Ollama went by the memory that was free.
func parallelBy(version, value string) uint32 {
	// As Ollama reads it.
	n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"'`), 10, 64)
	switch {
	case err == nil && n > 0:
		return uint32(min(n, maxParallel))
	case atLeast(version, 0, 10):
		return 1
	}
	return 0
}

// atLeast reports whether a version is known to be this one or a later one. A
// build that nobody gave a version says 0.0.0.
func atLeast(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	second, _, ok := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(second)
	return ok && errA == nil && errB == nil && (a > major || a == major && b >= minor)
}
