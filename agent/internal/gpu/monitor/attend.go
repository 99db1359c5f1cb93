package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu/frame"
	"github.com/corral-fleet/corral/sdk/wire"
)

// maxStuck is how many probes may hang in the kernel before no more is started:
// each holds what it has of the driver.
const maxStuck = 2

// attend runs one probe from its start to its end, and returns for how long it
// gave readings.
func (m *Monitor) attend(ctx context.Context) (worked time.Duration) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	over := make(chan struct{})
	defer close(over)
	if !m.begin(&attended{end: end, over: over}) {
		return 0
	}
	p, err := start(m.command())
	if err != nil {
		m.become(wire.GPUsProbeMissing, missing(m.Probe, err))
		return 0
	}
	m.Log.Debug("gpu probe started", "pid", p.pid())
	defer context.AfterFunc(ctx, p.kill)()
	began := time.Now()
	in := frame.NewReader(p)
	p.expect(m.Pace.First)
	for {
		if err = in.Read(&m.spare); err != nil {
			break
		}
		m.take()
		worked = time.Since(began)
		p.expect(m.Every + m.Pace.Grace)
	}
	ended := closed(err) && p.ended(m.Pace.Kill/4) // by itself
	p.kill()
	gone := p.ended(m.Pace.Kill)
	if !gone {
		m.leave(p)
	}
	if ctx.Err() != nil {
		return worked // on purpose
	}
	why := m.verdict(p, err, ended)
	if !gone {
		why.sentence += " It can't be killed: it waits for the driver in the kernel."
	}
	m.become(why.state, why.sentence)
	return worked
}

// begin notes that a probe runs, unless none may.
func (m *Monitor) begin(a *attended) bool {
	m.mu.Lock()
	m.running = a
	wanted, first := m.released.IsZero(), m.state.state == wire.GPUsUnknown || m.state.state == wire.GPUsReleased
	m.mu.Unlock()
	if wanted && first {
		m.become(wire.GPUsStarting, "")
	}
	return wanted
}

// verdict says what is wrong with a probe whose next frame could not be read.
func (m *Monitor) verdict(p *probe, err error, ended bool) condition {
	switch {
	case errors.Is(err, errSilent):
		return condition{wire.GPUsProbeSilent, fmt.Sprintf("The GPU probe gave no reading for %v and was killed; the driver may hang.", p.patience)}
	case ended:
		return condition{wire.GPUsProbeCrashed, p.obituary()}
	case closed(err):
		return condition{wire.GPUsProbeGarbled, "The GPU probe stopped giving readings and went on running; it was killed."}
	}
	return condition{wire.GPUsProbeGarbled, fmt.Sprintf("What the GPU probe says can't be understood (%v), and it was killed; it has to be of the agent's own version.", err)}
}

// closed reports whether a probe's frames came to an end.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed)
}

// leave counts a probe that does not end until it has.
func (m *Monitor) leave(p *probe) {
	m.mu.Lock()
	m.stuck++
	m.mu.Unlock()
	m.Log.Error("gpu probe does not end when killed", "pid", p.pid())
	go func() {
		<-p.done
		m.mu.Lock()
		m.stuck--
		m.mu.Unlock()
		m.Log.Info("gpu probe that did not end when killed has ended", "pid", p.pid())
		m.poke()
	}()
}

func (m *Monitor) stuckProbes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stuck
}

const unresponsive = "The GPU driver doesn't return: two probes hang in it and can't even be killed. No more is started; the host probably needs a reboot."

func missing(path string, err error) string {
	return fmt.Sprintf("The program that reads GPUs can't be started (%v). It belongs beside corral-agent, or where the setting gpu.probe says; here that is %s.", err, path)
}

func released(until time.Time) string {
	return fmt.Sprintf("The GPU driver is let go of until %s, as was asked for.", until.UTC().Format(time.RFC3339))
}
