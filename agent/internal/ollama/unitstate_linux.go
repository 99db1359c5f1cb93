package ollama

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/systemd"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// memoryStep is what the memory of a unit is told in whole numbers of: it changes
// all the time, and each change would be a report.
const memoryStep = 64 << 20

// see takes notice of how the unit is.
func (m *unitManager) see(ctx context.Context, n unitNews) {
	if n.err != nil {
		m.seeNothing(n.err)
		return
	}
	m.blind = false
	first, s := !m.known, n.state
	m.known, m.state = true, s
	m.board.update(func(i *wire.Instance) {
		i.Unit = wire.Unit{
			Name: m.unit.Name, ActiveState: s.Active, SubState: s.Sub, Result: s.Result,
			RestartCount: s.Restarts, MemoryBytes: s.MemoryBytes / memoryStep * memoryStep,
		}
	})
	pid := 0
	if s.Active == systemd.ActiveActive {
		pid = s.MainPID
	}
	if m.life != nil && (m.life.pid != pid || m.life.invocation != s.Invocation) {
		uptime := m.life.uptime()
		m.life.end()                                // whoever watched it may just find it ready
		m.board.state(wire.InstanceStopped, "", "") // how it ended takes a moment to find out
		m.bury()
		m.count(s, uptime)
	}
	switch {
	case pid == 0:
		m.down(ctx, s, first)
	case m.life == nil:
		m.begin(ctx, pid)
	default:
		m.remarkSettings(ctx)
	}
}

// seeNothing takes notice that systemd can't be asked. An Ollama that runs is
// watched as before.
func (m *unitManager) seeNothing(err error) {
	if !m.blind {
		m.log.Warn("systemd does not say how ollama is", "unit", m.unit.Name, "error", err)
	}
	m.blind = true
	if m.life == nil {
		m.board.state(wire.InstanceFailed, ReasonNoSystemd, fault.MessageOf(err)+".")
		m.answer(fault.Wrap(fault.Unavailable, err, "%s", fault.MessageOf(err)).On(fault.Host))
	}
}

// begin watches a process of the unit's that has come up.
func (m *unitManager) begin(ctx context.Context, pid int) {
	m.log.Info("ollama started", "unit", m.unit.Name, "pid", pid, "address", m.configuredAddress())
	if m.lives > 0 && !m.counted {
		m.board.restarted(wire.Restart{UnixMillis: time.Now().UnixMilli(), Cause: string(CauseRequested), Message: "Somebody restarted its unit."})
	}
	m.lives++
	m.counted, m.refused = false, nil
	m.board.update(func(i *wire.Instance) {
		i.State, i.Reason, i.Message = wire.InstanceStarting, "", ""
		i.PID, i.StartedUnixMillis = uint32(pid), m.state.Started.UnixMilli()
	})
	if err := m.noteStarted(m.state.Started); err != nil {
		m.log.Debug("the settings that ollama was started with are not kept", "error", err)
	}
	watching, unwatch := context.WithCancel(ctx)
	v := newVigil(m.Supervisor, pid, m.configuredAddress())
	var watchers sync.WaitGroup
	watchers.Go(func() { v.watch(watching) })
	m.life = &unitLife{vigil: v, invocation: m.state.Invocation, ready: v.ready, end: func() {
		unwatch()
		watchers.Wait()
	}}
}

// bury ends watching a life, if there is one.
func (m *unitManager) bury() {
	if m.life == nil {
		return
	}
	m.life.end()
	m.life = nil
	m.endpoint.Store(nil)
	m.board.over()
}

// count puts an end that was not ours on record. One that somebody else wanted is
// on record once it has come up again.
func (m *unitManager) count(s systemd.State, uptime time.Duration) {
	if m.doing != "" || s.Result == "success" {
		return
	}
	cause, message := m.endOf(s)
	m.counted = true
	m.board.restarted(wire.Restart{UnixMillis: time.Now().UnixMilli(), Cause: string(cause), Message: message})
	_, m.looping = m.governor.delay(cause, uptime, time.Now())
	m.log.Warn("ollama has ended", "unit", m.unit.Name, "cause", cause, "message", message)
}

// endOf puts an end that was not ours into words.
func (m *unitManager) endOf(s systemd.State) (Cause, string) {
	words := ""
	if lines, _, err := m.output.Tail(4); err == nil {
		var last []string
		for _, l := range lines {
			last = append(last, strings.ToValidUTF8(l.Text[:min(len(l.Text), 300)], "…"))
		}
		words = " Its last words: " + strings.Join(last, "\n")
	}
	switch s.Result {
	case "exit-code":
		return CauseExited, fmt.Sprintf("Ollama ended with status %d.%s", s.ExitStatus, words)
	case "oom-kill":
		return CauseKilled, "The kernel killed Ollama for lack of memory." + words
	case "signal", "core-dump":
		return CauseKilled, fmt.Sprintf("Ollama was ended by signal %d.%s", s.ExitStatus, words)
	}
	return CauseExited, fmt.Sprintf("Ollama ended; systemd says %q.%s", s.Result, words)
}

// down says how a unit is that does not run, and starts one that should.
func (m *unitManager) down(ctx context.Context, s systemd.State, first bool) {
	tell := func(state, reason, message string) {
		m.board.state(state, reason, message)
		// What was seen before the last job ended says nothing of how that went.
		if m.doing == "" && s.Asked.After(m.doneAt) && state != wire.InstanceStarting {
			m.answer(fault.New(fault.Unavailable, "%s", strings.TrimSuffix(message, ".")).On(fault.Host))
		}
	}
	switch {
	case s.Load == systemd.LoadNotFound:
		tell(wire.InstanceFailed, ReasonMissingUnit, fmt.Sprintf("There is no unit %s; make install puts it in place.", m.unit.Name))
	case s.Load == systemd.LoadMasked:
		tell(wire.InstanceFailed, ReasonMissingUnit, fmt.Sprintf("The unit %s is masked; systemctl unmask %[1]s lets it be started.", m.unit.Name))
	case s.Result == "exit-code" && s.ExitStatus == systemd.ExitNoProgram:
		tell(wire.InstanceFailed, ReasonMissingBinary, "There is no program ollama where systemd looks for it; install Ollama, or name its place in a drop-in of the unit.")
	case s.Active == systemd.ActiveActivating && s.Sub != "auto-restart":
		tell(wire.InstanceStarting, "", "")
	case s.Active == systemd.ActiveActivating && m.looping:
		_, message := m.endOf(s)
		tell(wire.InstanceFailed, ReasonCrashLoop, fmt.Sprintf("Ollama ended %d times within %v. %s", m.cfg.Restarts.LoopExits, m.cfg.Restarts.LoopWindow, message))
	case s.Active == systemd.ActiveActivating || s.Active == systemd.ActiveFailed && m.doing != "":
		cause, message := m.endOf(s)
		tell(wire.InstanceStopped, string(cause), message)
	case m.refused != nil:
		tell(wire.InstanceFailed, reasonOf(m.refused), fault.MessageOf(m.refused)+".")
		m.tryAgain(ctx)
	case s.Active == systemd.ActiveFailed:
		cause, message := m.endOf(s)
		tell(wire.InstanceFailed, string(cause), message)
		m.tryAgain(ctx)
	case s.Active == systemd.ActiveInactive && first:
		m.do(ctx, CauseRequested, m.unit.Start)
		tell(wire.InstanceStarting, "", "")
	case s.Active == systemd.ActiveInactive:
		tell(wire.InstanceStopped, ReasonUnitStopped, fmt.Sprintf("Somebody stopped the unit %s; a restart, or systemctl start, has it run again.", m.unit.Name))
	default: // it is being stopped
		tell(wire.InstanceStopped, ReasonUnitStopped, fmt.Sprintf("The unit %s is being stopped.", m.unit.Name))
	}
}

// tryAgain has the unit started that should run, unless that was tried just now.
func (m *unitManager) tryAgain(ctx context.Context) {
	if m.doing == "" && time.Since(m.tried) >= m.cfg.Timing.BlockedRetry {
		m.do(ctx, CauseExited, m.unit.Start)
	}
}

// remarkSettings says what of the settings the unit that runs was not told, and
// what they would cost.
func (m *unitManager) remarkSettings(ctx context.Context) {
	was, is, differs := m.pending(m.state.Started)
	switch {
	case !slices.Contains(m.state.EnvFiles, m.envPath()):
		m.board.remark(ReasonSettingsLost, fmt.Sprintf("What is set for it has no effect: its unit does not read %s.", m.envPath()))
	case differs && was == nil:
		m.board.remark(ReasonSettingsPending, "Its settings have changed since it was started; they take effect when it is restarted.")
	case differs:
		ctx, cancel := context.WithTimeout(ctx, m.cfg.Timing.VersionTimeout)
		defer cancel()
		c := newClient(m.configuredAddress())
		defer c.close()
		sentence := fmt.Sprintf("A restart would change %s", strings.Join(changes(was, is), ", "))
		if cost := contextCost(ctx, c, was, is); len(cost) > 0 {
			sentence += "; " + strings.Join(cost, ", ")
		}
		m.board.remark(ReasonSettingsPending, sentence+".")
	default:
		m.board.remark("", "")
	}
}
