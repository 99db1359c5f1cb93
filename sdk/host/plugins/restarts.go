package plugins

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
)

// restarts decides when a plugin whose process has ended is started again. It is
// never given up.
type restarts struct {
	times    times
	maxExits int
	exits    []time.Time // within the window
	inARow   int
	jitter   func(bound time.Duration) time.Duration
}

func newRestarts(t times, maxExits int) restarts {
	return restarts{times: t, maxExits: maxExits, jitter: rand.N[time.Duration]}
}

// steady is how long a process has to run for its end to count as the first.
const steady = time.Minute

// killed returns how long to wait after somebody else has killed a process, which
// says nothing of the plugin.
func (r *restarts) killed() time.Duration { return r.jitter(r.times.firstBackoff) }

// exited returns how long to wait after a process that ran so long has ended, and
// whether that happens too often.
func (r *restarts) exited(now time.Time, ran time.Duration) (wait time.Duration, failed bool) {
	if ran >= steady {
		r.inARow = 0
	}
	kept := r.exits[:0]
	for _, at := range append(r.exits, now) {
		if now.Sub(at) < r.times.exitWindow {
			kept = append(kept, at)
		}
	}
	r.exits = kept
	if len(r.exits) >= r.maxExits {
		return r.times.failedPause, true
	}
	bound := min(r.times.maxBackoff, r.times.firstBackoff<<min(r.inARow, 16))
	r.inARow++
	return r.jitter(bound), false
}

// forget has what was not count any more, since another program is run.
func (r *restarts) forget() { r.exits, r.inARow = nil, 0 }

// lost notes that a process has ended by itself, and returns that as an error.
func (u *unit) lost(g *generation) error {
	exit := g.process.Exit()
	g.process.Stop() // lets go of its connection and its sockets
	u.uninstall()
	u.note(exit)
	u.log.Error("plugin has ended", "how", exit)
	return u.ended(exit)
}

// note keeps how a process has ended by itself.
func (u *unit) note(exit host.Exit) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lastExit, u.killed = &exit, exit.Killed
}

// ended is the error of a call whose process has ended.
func (u *unit) ended(exit host.Exit) error {
	return fault.Wrap(fault.Unavailable, errors.New(exit.String()), "the plugin %s has ended by itself: %s", u.id, exit.Cause()).On(fault.Plugin)
}

// rest waits until a plugin that has ended, or could not be started, is started again.
func (u *unit) rest(ctx context.Context, cause error, ran time.Duration) {
	u.mu.Lock()
	var wait time.Duration
	failed := false
	if u.killed {
		wait, u.killed = u.restarts.killed(), false
	} else {
		wait, failed = u.restarts.exited(time.Now(), ran)
	}
	state := Starting
	if failed {
		state = Failed
	}
	u.setLocked(state, fault.SideOf(cause), fmt.Sprintf("%s; it is started again within %v", fault.MessageOf(cause), max(wait.Round(time.Second), time.Second)))
	tried := u.wanted
	u.mu.Unlock()
	if failed || fault.KindOf(cause) != fault.Unavailable {
		u.log.Error("plugin does not run", "error", cause, "again_in", wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-u.wake:
			u.mu.Lock()
			other := u.wanted != tried
			if other {
				u.restarts.forget()
			}
			u.mu.Unlock()
			if other {
				return
			}
		}
	}
}
