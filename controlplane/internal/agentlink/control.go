package agentlink

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// takeControl returns what takes the agent's frames off its control stream.
func (l *Link) takeControl(s *session) func(p []byte) error {
	var in wire.Splitter
	var enc wire.Encoder
	take := func(f wire.Frame) error {
		s.silence.Store(0)
		return l.take(s, f, &enc)
	}
	return func(p []byte) error { return in.Split(p, take) }
}

// take acts on a frame. It doesn't wait for anything, the agent least of all.
func (l *Link) take(s *session, frame wire.Frame, enc *wire.Encoder) error {
	switch f := frame.(type) {
	case *wire.Sample:
		return l.takeSample(s, f, enc)
	case *wire.Instances:
		instances := instancesOf(f)
		if l.CPUOnly() {
			forgetFallbacks(instances)
		}
		l.Registry.Report(s.hostID, s.epoch, l.Now(), instances)
	case *wire.GPUReport:
		l.Registry.ReportGPUs(s.hostID, s.epoch, l.Now(), gpuReportOf(f))
	case *wire.Ping:
		return l.answer(s, &wire.Pong{ID: f.ID, UnixMillis: l.Now().UnixMilli()})
	case *wire.Pong:
		s.resolvePong(f.ID)
		l.followClock(s, f)
	case *wire.ActionResult:
		s.resolveAction(f)
	case *wire.Leaving:
		l.Registry.Leave(s.hostID, s.epoch)
		l.Log.Info("agent is leaving", "host_id", s.hostID, "session_epoch", s.epoch, "in_flight", s.busy.Load(), "grace", time.Duration(f.GraceMillis)*time.Millisecond)
	case *wire.Goodbye:
		state := fleet.HostStopped
		if f.Asleep {
			state = fleet.HostAsleep
		}
		s.parting.Store(&state)
	case *wire.Unknown: // of a newer agent
	default:
		return fault.New(fault.Invalid, "the agent sent a %T, which it may not", f).On(fault.Host)
	}
	return nil
}

// liveFor is how old a sample may be to count as the present. Older ones are a
// reconnecting agent catching up, and only go into the history.
const liveFor = 5 * time.Second

// errCatchUp ends the session of an agent that has samples which the history can
// take now: it sends them when it connects again.
var errCatchUp = fault.New(fault.Unavailable, "the history has room again for what the agent has kept").On(fault.Host)

// takeSample shows a sample and hands it to the history. When that is full, this
// sample and those after it stay with the agent, which is told of none of them,
// until there is room and nobody uses the session that has to end for it.
func (l *Link) takeSample(s *session, f *wire.Sample, enc *wire.Encoder) error {
	now := l.Now()
	taken := time.UnixMilli(f.UnixMillis).Add(-s.clocks.samples)
	if now.Sub(taken) < liveFor {
		l.Registry.Observe(s.hostID, s.epoch, now, sampleOf(f, taken))
	}
	if s.behind {
		if s.busy.Load() == 0 && l.History.HasRoom() {
			return errCatchUp
		}
		return nil
	}
	row := fleet.SampleRow{
		HostID: s.hostID, RunID: s.runID, Seq: f.Seq,
		TakenAt: taken, ReceivedAt: now, Payload: enc.AppendSample(nil, f),
	}
	seq := f.Seq
	if !l.History.Append(row, func() { s.stored(seq) }) {
		s.behind = true
		l.Log.Warn("history is full, samples stay with their agent", "host_id", s.hostID, "seq", f.Seq)
	}
	return nil
}

// stored notes that a sample survives, of which the agent is told with the next ping.
func (s *session) stored(seq uint64) {
	for {
		have := s.acked.Load()
		if seq <= have {
			return
		}
		if s.acked.CompareAndSwap(have, seq) {
			break
		}
	}
}
