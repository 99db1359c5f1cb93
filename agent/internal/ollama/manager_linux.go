package ollama

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// orphanGrace is what Ollama gets to end by itself when the agent was killed.
const orphanGrace = time.Second

// manager runs an Ollama of ours, life after life. It belongs to the goroutine
// of Run.
type manager struct {
	*Supervisor
	governor   *governor
	waiting    []request // restarts that were asked for and are not answered yet
	runnersHit time.Time // when runners were last killed for a stall
	freePort   uint16    // the port that was picked for port 0
	outputRun  int       // number of the current run in the output
	told       string    // the sentence of the last block, which is logged once
}

func newManager(s *Supervisor) *manager {
	return &manager{Supervisor: s, governor: newGovernor(s.cfg.Restarts, rand.Float64)}
}

// ending is why a life ended, or why it could not begin.
type ending struct {
	cause   Cause  // of a life that was lived
	blocked string // the reason of one that could not begin
	message string
	uptime  time.Duration // since it first answered
	paid    bool          // taken from the cause's budget already
}

func (m *manager) run(ctx context.Context) {
	for ctx.Err() == nil {
		end := m.live(ctx)
		if ctx.Err() != nil {
			break
		}
		wait := m.judge(end)
		m.board.over()
		m.pause(ctx, wait)
	}
	for _, r := range m.waiting {
		r.answer <- fault.New(fault.Unavailable, "the agent is ending")
	}
}

// judge says what became of the instance and returns how long to wait before
// the next life.
func (m *manager) judge(end ending) time.Duration {
	now := time.Now()
	if end.blocked != "" {
		if m.told != end.message {
			m.told = end.message
			m.log.Error("ollama can't be started", "reason", end.blocked, "message", end.message, "retry_every", m.cfg.Timing.BlockedRetry)
		}
		m.board.state(wire.InstanceFailed, end.blocked, end.message)
		m.answer(fault.New(fault.Unavailable, "%s", end.message).On(fault.Host))
		return m.cfg.Timing.BlockedRetry
	}
	m.told = ""
	m.board.restarted(wire.Restart{UnixMillis: now.UnixMilli(), Cause: string(end.cause), Message: end.message})
	delay, loop := m.governor.delay(end.cause, end.uptime, now)
	if !end.paid { // it ended by itself
		if wait := m.governor.spend(end.cause, now); wait > delay {
			m.log.Error("ollama ended too often", "cause", end.cause, "message", end.message, "retry_in", wait)
			reason := string(end.cause)
			if loop {
				reason = ReasonCrashLoop
			}
			m.board.state(wire.InstanceFailed, reason,
				fmt.Sprintf("Ollama was restarted %d times in an hour; it stays down until %s. %s",
					m.cfg.Restarts.PerHour[end.cause], now.Add(wait).Format(time.TimeOnly), end.message))
			m.answer(fault.New(fault.Unavailable, "%s", end.message).On(fault.Ollama))
			return wait
		}
	}
	switch {
	case loop:
		m.log.Error("ollama ends again and again", "cause", end.cause, "message", end.message, "retry_in", delay)
		m.board.state(wire.InstanceFailed, ReasonCrashLoop, fmt.Sprintf("Ollama ended %d times within %v. %s",
			m.cfg.Restarts.LoopExits, m.cfg.Restarts.LoopWindow, end.message))
	case end.cause == CauseRequested:
		m.log.Info("ollama is restarted on request")
		m.board.state(wire.InstanceStopped, string(end.cause), end.message)
		return 0
	default:
		m.log.Warn("ollama is restarted", "cause", end.cause, "message", end.message, "delay", delay)
		m.board.state(wire.InstanceStopped, string(end.cause), end.message)
	}
	m.answer(fault.New(fault.Unavailable, "%s", end.message).On(fault.Ollama))
	return delay
}

// answer tells everybody who asked for a restart how it went; nil is success.
func (m *manager) answer(err *fault.Error) {
	for _, r := range m.waiting {
		if err == nil {
			r.answer <- nil
			continue
		}
		r.answer <- err
	}
	m.waiting = nil
}

// pause waits between two lives. A restart that is asked for ends it.
func (m *manager) pause(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	case r := <-m.requests:
		m.waiting = append(m.waiting, r)
	}
}

// live starts an Ollama and stays with it until it is gone.
func (m *manager) live(ctx context.Context) ending {
	child, at, blocked := m.start()
	if child == nil {
		return blocked
	}
	m.log.Info("ollama started", "pid", child.PID(), "address", at)
	m.board.update(func(i *wire.Instance) {
		i.State, i.Reason, i.Message = wire.InstanceStarting, "", ""
		i.PID, i.StartedUnixMillis = uint32(child.PID()), time.Now().UnixMilli()
	})
	l := &life{manager: m, child: child, at: at, verdicts: make(chan verdict), ready: make(chan struct{})}
	watching, unwatch := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() { l.watch(watching) })
	end := l.follow(ctx)
	// From here on nobody else may say how the instance is.
	unwatch()
	watchers.Wait()
	m.endpoint.Store(nil)
	m.board.state(wire.InstanceStopped, string(end.cause), end.message)
	exit := l.end(ctx, end)
	if len(exit.Left) > 0 {
		m.log.Error("processes of ollama do not end when killed", "processes", exit.Left)
	}
	if err := m.output.Close(); err != nil {
		m.log.Warn("output of ollama not written to its end", "error", err)
	}
	if end.cause == "" {
		end = m.endingOf(exit, at)
	}
	if !l.readyAt.IsZero() {
		end.uptime = time.Since(l.readyAt)
	}
	return end
}

// start starts the program, or says why it can't.
func (m *manager) start() (child *keeper.Child, at string, blocked ending) {
	block := func(reason, format string, args ...any) (*keeper.Child, string, ending) {
		return nil, "", ending{blocked: reason, message: fmt.Sprintf(format, args...)}
	}
	left, err := keeper.Sweep(m.owner())
	if err != nil {
		return block(ReasonStartFailed, "What is left of the last Ollama could not be looked for: %v.", err)
	}
	if len(left) > 0 {
		return block(ReasonUnkillable, "The last Ollama does not end even when killed (processes %v wait in the kernel, mostly for a GPU); the host probably needs a reboot.", left)
	}
	bin, err := exec.LookPath(m.cfg.Bin)
	if err != nil {
		return block(ReasonMissingBinary, "There is no program %q; install Ollama or say where it is.", m.cfg.Bin)
	}
	port := m.port
	if port == 0 {
		port = m.freePort // the one from before, so that nobody has to look for it
	}
	at, err = claim(m.host, port)
	if errors.Is(err, errTaken) && m.port == 0 {
		at, err = claim(m.host, 0)
	}
	if errors.Is(err, errTaken) {
		return block(ReasonPortConflict, "Port %d is in use by %s; stop that, or give this Ollama another address.", port, ownerOf(m.host, port))
	}
	if err != nil {
		return block(ReasonStartFailed, "Ollama can't listen at %s: %v.", m.host, err)
	}
	if addr, err := net.ResolveTCPAddr("tcp", at); err == nil && m.port == 0 {
		m.freePort = uint16(addr.Port)
	}
	if err := m.output.Begin(); err != nil {
		m.log.Warn("output of ollama is not kept", "error", err)
	}
	if _, at, err := m.output.Tail(0); err == nil {
		m.outputRun = at.Run
	}
	child, err = keeper.Start(m.cfg.Keeper, keeper.Spec{
		Owner: m.owner(), Path: bin, Args: []string{"serve"}, Dir: m.cfg.DataDir,
		Env:       serverEnv(os.Environ(), m.cfg.Settings, at, m.cfg.DataDir),
		StopGrace: m.cfg.Timing.StopGrace, OrphanGrace: orphanGrace,
	}, &drain{log: m.output, complain: func(err error) { m.log.Warn("output of ollama is lost", "error", err) }})
	if err != nil {
		m.output.Close() // nothing was written to it
		return block(ReasonStartFailed, "Ollama could not be started: %v.", err)
	}
	return child, at, ending{}
}

// drain passes on what Ollama writes and never fails: a program whose output
// nobody takes would stand still. It complains once.
type drain struct {
	log      interface{ Write([]byte) (int, error) }
	complain func(error)
	told     bool
}

func (d *drain) Write(b []byte) (int, error) {
	if _, err := d.log.Write(b); err != nil && !d.told {
		d.told = true
		d.complain(err)
	}
	return len(b), nil
}

// endingOf puts an end that was not ours into words.
func (m *manager) endingOf(exit keeper.Exit, at string) ending {
	lines, _, err := m.output.Tail(4)
	if err != nil {
		m.log.Warn("output of ollama not read", "error", err)
	}
	var last []string
	for _, l := range lines {
		if l.Next.Run != m.outputRun {
			continue // of an earlier life
		}
		last = append(last, strings.ToValidUTF8(l.Text[:min(len(l.Text), 300)], "…"))
	}
	words := strings.Join(last, "\n")
	switch {
	case exit.Lost:
		return ending{cause: CauseKeeperLost, message: "The keeper process of Ollama was killed, which ends Ollama as well."}
	case exit.Signal != "":
		return ending{cause: CauseKilled, message: fmt.Sprintf("Ollama was ended by a signal (%s). Its last words: %s", exit.Signal, words)}
	case strings.Contains(words, "address already in use"):
		return ending{blocked: ReasonPortConflict, message: fmt.Sprintf("Somebody else took %s before Ollama did.", at)}
	}
	return ending{cause: CauseExited, message: fmt.Sprintf("Ollama ended with status %d. Its last words: %s", exit.Code, words)}
}
