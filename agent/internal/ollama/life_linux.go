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
	*vigil
	child *keeper.Child
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
			l.answer(nil)
		case r := <-l.requests:
			l.waiting = append(l.waiting, r)
			return ending{cause: CauseRequested, message: "Somebody asked for it."}
		case v := <-l.verdicts:
			switch {
			case v.cause == CauseStartTimeout: // as good as gone
				return ending{cause: v.cause, message: v.message}
			case v.cause == CauseStalled && l.hitRunners(v):
			case l.mayRestart(l.governor, v):
				return ending{cause: v.cause, message: v.message, paid: true}
			}
		}
	}
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
