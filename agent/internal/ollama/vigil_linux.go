package ollama

import (
	"context"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// vigil watches one life of an Ollama of ours, from its start on. It belongs to
// the goroutine that made it; only watch runs beside that.
type vigil struct {
	of       *Supervisor
	pid      int
	at       string // host:port
	verdicts chan verdict
	ready    chan struct{} // closed at the first answer
	readyAt  time.Time
	version  string              // valid when ready is closed
	parallel uint32              // likewise
	settings wire.OllamaSettings // likewise
}

func newVigil(of *Supervisor, pid int, at string) *vigil {
	return &vigil{of: of, pid: pid, at: at, verdicts: make(chan verdict), ready: make(chan struct{})}
}

// watch waits for the first answer and then watches, until ctx is done.
func (v *vigil) watch(ctx context.Context) {
	s := v.of
	c := newClient(v.at)
	defer c.close()
	w := &watcher{
		files: map[string]string{},
		cfg:   s.cfg, log: s.log, client: c, progress: s.progress, board: s.board,
		refresh: s.refresh, used: s.used, verdicts: v.verdicts, serving: servedBy(v.pid, v.at), ours: true, own: s.own(),
	}
	if !v.awaitAnswer(ctx, c) {
		w.tell(ctx, verdict{cause: CauseStartTimeout, message: fmt.Sprintf("Ollama did not answer within %v of its start.", s.cfg.Timing.StartTimeout)})
		return
	}
	v.parallel, v.settings = w.parallel(v.version), w.told()
	s.endpoint.Store(&v.at) // before anybody says that it is ready, the watcher included
	close(v.ready)
	w.run(ctx)
}

// awaitAnswer waits until this very Ollama answers: another one that took the
// address first may answer as well.
func (v *vigil) awaitAnswer(ctx context.Context, c *client) bool {
	timing := v.of.cfg.Timing
	ctx, cancel := context.WithTimeout(ctx, timing.StartTimeout)
	defer cancel()
	every(ctx, timing.ReadyEvery, func() {
		asking, done := context.WithTimeout(ctx, timing.VersionTimeout)
		defer done()
		version, err := c.version(asking)
		if err == nil && !listensElsewhere(v.at, v.pid) {
			v.version = version
			cancel()
		}
	})
	return v.version != ""
}

// isReady says that the Ollama has answered.
func (v *vigil) isReady() {
	v.readyAt = time.Now()
	v.of.log.Info("ollama is ready", "pid", v.pid, "address", v.at, "version", v.version)
	v.of.board.update(func(i *wire.Instance) {
		i.State, i.Reason, i.Message, i.Version, i.Parallel, i.Settings = wire.InstanceReady, "", "", v.version, v.parallel, v.settings
	})
}

// uptime is how long it is since the first answer.
func (v *vigil) uptime() time.Duration {
	if v.readyAt.IsZero() {
		return 0
	}
	return time.Since(v.readyAt)
}

// mayRestart takes a restart from the cause's budget. Without one the instance
// stays as it is and says why.
func (s *Supervisor) mayRestart(g *governor, v verdict) bool {
	wait := g.spend(v.cause, time.Now())
	if wait == 0 {
		return true
	}
	message := fmt.Sprintf("%s It is left alone: it was restarted for this %d times within the last hour.", v.message, s.cfg.Restarts.PerHour[v.cause])
	s.log.Error("ollama is not restarted again", "cause", v.cause, "message", message, "budget_in", wait)
	s.board.trouble(v.cause, message)
	return false
}
