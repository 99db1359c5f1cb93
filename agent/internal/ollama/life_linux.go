package ollama

import (
	"context"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// endPatience is what a keeper gets beyond the grace of its program before it
// is taken for broken itself.
const endPatience = 10 * time.Second

// life is one Ollama of ours, from its start to its end.
type life struct {
	*manager
	child    *keeper.Child
	at       string // host:port
	verdicts chan verdict
	ready    chan struct{} // closed at the first answer
	readyAt  time.Time
	version  string // valid when ready is closed
	parallel uint32 // likewise
}

// watch waits for the first answer and then watches.
func (l *life) watch(ctx context.Context) {
	c := newClient(l.at)
	defer c.close()
	w := &watcher{
		files: map[string]string{},
		cfg:   l.cfg, log: l.log, client: c, progress: l.progress, board: l.board,
		refresh: l.refresh, used: l.used, verdicts: l.verdicts, serving: servedBy(l.child.PID(), l.at),
	}
	if !l.awaitAnswer(ctx, c) {
		w.tell(ctx, verdict{cause: CauseStartTimeout, message: fmt.Sprintf("Ollama did not answer within %v of its start.", l.cfg.Timing.StartTimeout)})
		return
	}
	l.parallel = w.parallel(l.version)
	l.endpoint.Store(&l.at) // before anybody says that it is ready, the watcher included
	close(l.ready)
	w.run(ctx)
}

// awaitAnswer waits until this very Ollama answers: another one that took the
// address first may answer as well.
func (l *life) awaitAnswer(ctx context.Context, c *client) bool {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timing.StartTimeout)
	defer cancel()
	every(ctx, l.cfg.Timing.ReadyEvery, func() {
		asking, done := context.WithTimeout(ctx, l.cfg.Timing.VersionTimeout)
		defer done()
		version, err := c.version(asking)
		if err == nil && !listensElsewhere(l.at, l.child.PID()) {
			l.version = version
			cancel()
		}
	})
	return l.version != ""
}

// follow stays with the child until it is gone, when it returns no cause, or
// until it has to go.
func (l *life) follow(ctx context.Context) ending {
	ready := l.ready
	for {
		select {
		case <-ctx.Done():
			return ending{}
		case <-l.child.Done():
			return ending{}
		case <-ready:
			ready = nil // closed
			l.isReady()
		case r := <-l.requests:
			l.waiting = append(l.waiting, r)
			return ending{cause: CauseRequested, message: "Somebody asked for it."}
		case v := <-l.verdicts:
			switch {
			case v.cause == CauseStartTimeout: // as good as gone
				return ending{cause: v.cause, message: v.message}
			case v.cause == CauseStalled && l.hitRunners(v):
			case l.mayRestart(v):
				return ending{cause: v.cause, message: v.message, paid: true}
			}
		}
	}
}

func (l *life) isReady() {
	l.readyAt = time.Now()
	l.log.Info("ollama is ready", "pid", l.child.PID(), "address", l.at, "version", l.version)
	l.board.update(func(i *wire.Instance) {
		i.State, i.Reason, i.Message, i.Version, i.Parallel = wire.InstanceReady, "", "", l.version, l.parallel
	})
	l.answer(nil)
}

// mayRestart takes a restart from the cause's budget. Without one the instance
// stays as it is and says why.
func (l *life) mayRestart(v verdict) bool {
	wait := l.governor.spend(v.cause, time.Now())
	if wait == 0 {
		return true
	}
	message := fmt.Sprintf("%s It is left alone: it was restarted for this %d times within the last hour.", v.message, l.cfg.Restarts.PerHour[v.cause])
	l.log.Error("ollama is not restarted again", "cause", v.cause, "message", message, "budget_in", wait)
	l.board.trouble(v.cause, message)
	return false
}

// hitRunners kills the runners alone, which mostly is enough and leaves other
// models loaded later than a restart would. It does nothing, and reports false,
// when it was done a short while ago or when there are none.
func (l *life) hitRunners(v verdict) bool {
	now := time.Now()
	if now.Sub(l.runnersHit) < l.cfg.Restarts.RecurWindow {
		return false
	}
	runners := runnersOf(l.child.PID())
	if len(runners) == 0 || l.governor.spend(v.cause, now) > 0 {
		return false
	}
	l.runnersHit = now
	l.progress.rob()
	for _, r := range runners {
		if err := r.kill(); err != nil {
			l.log.Warn("runner not killed", "pid", r.PID, "error", err)
		}
	}
	l.log.Warn("runners of ollama killed", "runners", len(runners), "message", v.message)
	l.board.restarted(wire.Restart{
		UnixMillis: now.UnixMilli(), Cause: string(v.cause),
		Message: v.message + " Its runners were replaced; Ollama itself went on.",
	})
	return true
}

// end sees to it that the child is gone, by force where politeness is pointless.
func (l *life) end(ctx context.Context, end ending) keeper.Exit {
	if end.cause == "" || end.cause == CauseRequested {
		l.child.Stop()
	} else {
		l.child.Kill()
	}
	broken := time.After(l.cfg.Timing.StopGrace + endPatience)
	leaving := ctx.Done()
	stuck := false
	for {
		select {
		case <-l.child.Done():
			return l.child.Exit()
		case left := <-l.child.Stuck():
			stuck, broken = true, nil // the keeper works; only time or a reboot helps
			message := fmt.Sprintf("Ollama does not end even when killed (processes %v wait in the kernel, mostly for a GPU); the host probably needs a reboot.", left)
			l.log.Error("ollama does not end when killed", "processes", left)
			l.board.state(wire.InstanceFailed, ReasonUnkillable, message)
			l.answer(fault.New(fault.Unavailable, "%s", message).On(fault.Host))
		case <-broken:
			l.log.Error("keeper of ollama does not follow orders; it is killed")
			l.child.Abandon()
			broken = nil
		case <-leaving:
			leaving = nil
		}
		if stuck && ctx.Err() != nil {
			l.child.Abandon()
		}
	}
}
