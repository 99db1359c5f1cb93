package ollama

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/systemd"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// unitManager looks after an Ollama that is a unit of systemd. It belongs to the
// goroutine of Run.
//
// Systemd starts it again when it ends, and keeps it while no agent is there. The
// manager starts it when it begins, watches it, and has it restarted where the
// process lives and does not work.
type unitManager struct {
	*Supervisor
	unit     *systemd.Unit
	governor *governor
	waiting  []request     // restarts that were asked for and are not answered yet
	state    systemd.State // the last
	known    bool          // there was one
	life     *unitLife     // nil while it is down
	lives    int
	doing    Cause      // why systemd is at work for us; empty while it isn't
	done     chan error // how that ended
	jobs     sync.WaitGroup
	doneAt   time.Time // when the last one ended
	refused  error     // why systemd did not do the last thing; nil when it did
	looping  bool      // it ends again and again
	counted  bool      // why the last life ended is on record
	blind    bool      // systemd could not be asked the last time
	tried    time.Time // when it was last told to start
}

// unitLife is one life of the unit's main process.
type unitLife struct {
	*vigil
	invocation string          // by which systemd knows it
	ready      <-chan struct{} // nil once it was ready
	end        func()          // ends watching
}

// unitNews is how the unit is, or why that isn't known.
type unitNews struct {
	state systemd.State
	err   error
}

func newUnitManager(s *Supervisor) *unitManager {
	return &unitManager{
		Supervisor: s, unit: s.cfg.unit(), governor: newGovernor(s.cfg.Restarts, rand.Float64), done: make(chan error, 1),
	}
}

// run looks after the unit until ctx is done. The unit goes on.
func (m *unitManager) run(ctx context.Context) {
	if err := m.writeEnvironment(); err != nil {
		m.log.Error("settings of ollama are not written", "error", err)
	}
	watching, end := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer m.jobs.Wait()
	defer working.Wait()
	defer end()
	news := make(chan unitNews)
	working.Go(func() {
		m.unit.Watch(watching, func(state systemd.State, err error) {
			select {
			case news <- unitNews{state, err}:
			case <-watching.Done():
			}
		})
	})
	working.Go(func() { m.keepOutput(watching) })
	for {
		var verdicts <-chan verdict
		var ready <-chan struct{}
		if m.life != nil {
			verdicts, ready = m.life.verdicts, m.life.ready
		}
		select {
		case <-ctx.Done():
			m.bury()
			m.answer(fault.New(fault.Unavailable, "the agent is ending"))
			return
		case n := <-news:
			m.see(ctx, n)
		case <-ready:
			m.life.ready = nil
			m.life.isReady()
			m.remarkSettings(ctx)
			m.answer(nil)
		case r := <-m.requests:
			m.waiting = append(m.waiting, r)
			m.restart(ctx, verdict{cause: CauseRequested, message: "Somebody asked for it."})
		case v := <-verdicts:
			if m.doing == "" && m.mayRestart(m.governor, v) {
				m.restart(ctx, v)
			}
		case err := <-m.done:
			m.isDone(err)
		}
	}
}

// restart has systemd restart the unit, unless it is at work for us already.
func (m *unitManager) restart(ctx context.Context, v verdict) {
	if m.doing != "" {
		return
	}
	m.log.Warn("ollama is restarted", "unit", m.unit.Name, "cause", v.cause, "message", v.message)
	m.counted, m.looping = true, false
	m.board.restarted(wire.Restart{UnixMillis: time.Now().UnixMilli(), Cause: string(v.cause), Message: v.message})
	m.do(ctx, v.cause, m.unit.Restart)
}

// do has systemd do something, which is told on m.done.
func (m *unitManager) do(ctx context.Context, why Cause, what func(context.Context) error) {
	m.doing, m.tried = why, time.Now()
	m.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, m.cfg.Timing.JobTimeout)
		defer cancel()
		m.done <- what(ctx) // it has room for one, and there is one at a time
	})
}

// isDone takes notice of what systemd did. That the process was started does not
// say that it will answer.
func (m *unitManager) isDone(err error) {
	m.doing, m.refused, m.doneAt = "", err, time.Now()
	if err == nil {
		return
	}
	m.log.Error("systemd did not do what ollama needs", "unit", m.unit.Name, "error", err)
	if m.life == nil {
		m.board.state(wire.InstanceFailed, reasonOf(err), fault.MessageOf(err)+".")
	}
	m.answer(fault.Wrap(fault.KindOf(err), err, "%s", fault.MessageOf(err)).On(fault.Host))
}

// answer tells everybody who asked for a restart how it went; nil is success.
func (m *unitManager) answer(err *fault.Error) {
	for _, r := range m.waiting {
		if err == nil {
			r.answer <- nil
			continue
		}
		r.answer <- err
	}
	m.waiting = nil
}

// reasonOf is the stable word for why systemd did not do what it should.
func reasonOf(err error) string {
	switch fault.KindOf(err) {
	case fault.Forbidden:
		return ReasonForbidden
	case fault.NotFound, fault.Conflict:
		return ReasonMissingUnit
	}
	return ReasonStartFailed
}
