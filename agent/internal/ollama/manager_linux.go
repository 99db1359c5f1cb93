package ollama

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

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
	child, at, blocked := m.start(ctx)
	if child == nil {
		return blocked
	}
	m.log.Info("ollama started", "pid", child.PID(), "address", at)
	m.board.update(func(i *wire.Instance) {
		i.State, i.Reason, i.Message = wire.InstanceStarting, "", ""
		i.PID, i.StartedUnixMillis = uint32(child.PID()), time.Now().UnixMilli()
	})
	l := &life{manager: m, vigil: newVigil(m.Supervisor, child.PID(), at), child: child}
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
	end.uptime = l.uptime()
	return end
}
