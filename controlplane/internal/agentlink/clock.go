package agentlink

import (
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	// promptly is how soon a pong has to come to say something about the agent's clock.
	promptly = time.Second
	// clockStep is the least change of a clock's offset that is followed.
	// Whatever is smaller may be the network's.
	clockStep = 2 * time.Second
)

// clocks are how far the agent's two clocks are ahead of ours.
type clocks struct {
	wall time.Duration // the host's, which may be set at any time
	// samples is that of the clock by which the agent dates samples. Where that is
	// one that nobody sets, a host whose clock is set leaves no sample in the wrong
	// place, not even those that were taken before and come after.
	samples time.Duration
}

// readClocks returns what an answer tells of the agent's clocks; ours was read when
// the agent was asked and when the answer came. steadyMillis is 0 of an agent that
// has one clock alone.
func readClocks(asked, answered time.Time, unixMillis, steadyMillis int64) clocks {
	c := clocks{wall: clockOffset(asked, answered, unixMillis)}
	if c.samples = c.wall; steadyMillis != 0 {
		c.samples = clockOffset(asked, answered, steadyMillis)
	}
	return c
}

// clockOffset returns how far another clock is from ours, which was read when
// the other side was asked and when its answer came. It read its own about half
// way between the two.
func clockOffset(asked, answered time.Time, unixMillis int64) time.Duration {
	return time.UnixMilli(unixMillis).Sub(asked.Add(answered.Sub(asked) / 2))
}

// followClock notices when the agent's clock or ours was set. An answer that took
// long is no measure: one of the two programs may have stood still meanwhile.
func (l *Link) followClock(s *session, pong *wire.Pong) {
	s.mu.Lock()
	sent := s.probe
	s.mu.Unlock()
	now := l.Now()
	if pong.ID != sent.id || pong.UnixMillis == 0 || now.Sub(sent.at) > promptly {
		return
	}
	seen := readClocks(sent.at, now, pong.UnixMillis, pong.SteadyMillis)
	if (seen.samples - s.clocks.samples).Abs() >= clockStep {
		s.clocks.samples = seen.samples
	}
	if (seen.wall - s.clocks.wall).Abs() >= clockStep {
		s.clocks.wall = seen.wall
		l.Registry.SetClockOffset(s.hostID, s.epoch, seen.wall)
	}
}
