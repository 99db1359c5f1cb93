package ollama

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

const (
	// runnerIdleCPU and serveIdleCPU are how much of a processor a process that has
	// nothing to do may have used while it was watched: a runner for its timers and
	// answers about its health, which over the default of [Stalls.Idle] is 0.4 %,
	// `ollama serve` for listing thousands of models.
	runnerIdleCPU = 20 * time.Millisecond
	serveIdleCPU  = 500 * time.Millisecond

	// idlePages is how much more memory a runner may have taken, in pages.
	idlePages = 256

	// makingRoom is how long after the unloading of a model nothing is concluded:
	// before it loads another one in its place, Ollama waits for up to 5 s for the
	// GPU's memory to be free, and no runner computes anything.
	makingRoom = 10 * time.Second
)

// idleness tells for how long the processes of an Ollama have done nothing.
type idleness struct {
	since map[processID]procs.Activity // when this idleness was first seen
	now   map[processID]procs.Activity // when it was last seen
	looks int                          // that saw it, without the first
}

// processID is a process and no later bearer of its number.
type processID struct {
	pid   int
	start uint64
}

func idOf(p procs.Process) processID { return processID{p.PID, p.Start} }

func (i *idleness) forget() { *i = idleness{} }

// look looks at the processes. An idleness begins anew when one of them has done
// something and when there are others than before.
func (i *idleness) look(serve procs.Process, runners []runner) {
	now := map[processID]procs.Activity{}
	var err error
	if now[idOf(serve)], err = serve.Activity(); err != nil {
		i.forget()
		return
	}
	for _, r := range runners {
		if now[idOf(r.Process)], err = r.Activity(); err != nil {
			i.forget()
			return
		}
	}
	if !i.goesOn(serve, now) {
		*i = idleness{since: now, now: now}
		return
	}
	i.now = now
	i.looks++
}

// goesOn reports whether the same processes still have done nothing. Reading a
// model is something, however little of a processor a slow disk makes of it.
func (i *idleness) goesOn(serve procs.Process, now map[processID]procs.Activity) bool {
	if len(i.since) != len(now) {
		return false
	}
	for id, n := range now {
		before, ok := i.since[id]
		cpu, grew := runnerIdleCPU, n.Resident > before.Resident+idlePages
		if id == idOf(serve) {
			cpu, grew = serveIdleCPU, false
		}
		if !ok || grew || n.CPU > before.CPU+cpu || n.Faults > before.Faults || n.Read > before.Read {
			return false
		}
	}
	return true
}

// busy reports whether a process was last seen to have something to do, as one
// that waits for a disk, or for its turn on a machine that others keep busy.
func (i *idleness) busy() bool {
	for _, activity := range i.now {
		if activity.Busy {
			return true
		}
	}
	return false
}

// idled returns for how long requests have waited while the Ollama computed
// nothing, once that is long enough to be sure that it is stuck: its runner
// hangs or was stopped, or Ollama lost the request.
//
// A runner that computes on a GPU is seen in its own process too, which launches
// one kernel after the other and then polls for the end of the last. A GPU that
// has died under a process that polls for ever therefore looks like work here; it
// is left to the slower budgets.
//
// Looks are counted and not time: a machine that was suspended has had no time in
// which its Ollama could compute.
func (w *watcher) idled(ctx context.Context, idle *idleness, now time.Time) time.Duration {
	every := w.cfg.Timing.StallsEvery
	waited := w.progress.waiting(now, w.lastLoad())
	if waited < every {
		idle.forget()
		return 0
	}
	serve, known := w.serving.process()
	if !known {
		idle.forget()
		return 0
	}
	runners := runnersOf(serve.PID)
	if len(runners) == 0 && !w.progress.anyRobbed() {
		idle.forget() // what isn't there may be about to be started
		return 0
	}
	idle.look(serve, runners)
	switch {
	case time.Duration(idle.looks)*every < w.cfg.Stalls.Idle || waited < w.cfg.Stalls.Idle:
	case idle.busy() || w.worksUnseen(now, runners) || w.preparing(ctx, idle, runners):
	default:
		return waited
	}
	return 0
}

// worksUnseen reports whether requests may be worked on without a trace in the
// runners' processes.
func (w *watcher) worksUnseen(now time.Time, runners []runner) bool {
	w.mu.Lock()
	unseen := w.elsewhere || now.Sub(w.lastUnload) < makingRoom
	w.mu.Unlock()
	for _, r := range runners {
		// The drivers of GPUs that are not NVIDIA's have a process sleep until the
		// GPU is done, which for a long prompt on a small GPU takes many seconds.
		// What can't be seen counts as one of them.
		sleeps, err := r.HasOpen("/dev/kfd", "/dev/dri")
		unseen = unseen || sleeps || err != nil
	}
	return unseen
}

// preparing reports whether there are runners with nothing in memory yet, or one
// says that it is loading or does not listen yet. One that was stopped can't say
// anything.
func (w *watcher) preparing(ctx context.Context, idle *idleness, runners []runner) bool {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timing.VersionTimeout)
	defer cancel()
	if loaded, err := w.client.loaded(ctx); err == nil && len(loaded) == 0 && len(runners) > 0 {
		return true
	}
	for _, r := range runners {
		if idle.now[idOf(r.Process)].Stopped {
			continue
		}
		loads, err := r.loads(ctx, w.client.http)
		if loads || errors.Is(err, syscall.ECONNREFUSED) {
			return true
		}
	}
	return false
}

// stopped reports whether a runner was stopped by a signal.
func (w *watcher) stopped() bool {
	serve, known := w.serving.process()
	if !known {
		return false
	}
	for _, r := range runnersOf(serve.PID) {
		if activity, err := r.Activity(); err == nil && activity.Stopped {
			return true
		}
	}
	return false
}
