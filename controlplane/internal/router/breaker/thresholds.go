package breaker

import (
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Thresholds say when a circuit opens, and when it is tried again.
type Thresholds struct {
	Run int // failures in a row that open it; 0 does not look at runs

	Share  float64       // of the requests within Window that failed and thereby open it, above 0 and up to 1
	Among  int           // so many requests Window must have seen before Share counts; 0 does not look at shares
	Window time.Duration // how long an outcome counts; at least a second

	Pause      time.Duration // before the first probe; twice that before the next, and so on
	MaxPause   time.Duration // the longest pause
	ProbeLimit time.Duration // a probe that was not heard of for so long counts as lost
}

// Defaults returns thresholds that suit most fleets.
func Defaults() Thresholds {
	return Thresholds{
		Run:   5,
		Share: 0.5, Among: 20, Window: 30 * time.Second,
		Pause: 2 * time.Second, MaxPause: time.Minute, ProbeLimit: 2 * time.Minute,
	}
}

// Validate returns a fault.Invalid that names what is impossible, or nil.
func (t Thresholds) Validate() error {
	switch {
	case t.Run < 0 || t.Among < 0:
		return fault.New(fault.Invalid, "the breaker's counts of failures cannot be negative")
	case t.Among > 0 && !(t.Share > 0 && t.Share <= 1):
		return fault.New(fault.Invalid, "the breaker's share of failures has to be above 0 and at most 1, not %v", t.Share)
	case t.Window < time.Second:
		return fault.New(fault.Invalid, "the breaker's window has to be a second or longer, not %v", t.Window)
	case t.Pause <= 0 || t.MaxPause < t.Pause:
		return fault.New(fault.Invalid, "the breaker's pauses have to be positive and to grow, not from %v to %v", t.Pause, t.MaxPause)
	case t.ProbeLimit <= 0:
		return fault.New(fault.Invalid, "the breaker's limit for a probe has to be positive, not %v", t.ProbeLimit)
	}
	return nil
}

// pause returns how long to wait before a probe when level probes or openings
// came before it. random, in [0, 1), spreads it over the half below its full
// length, so that circuits which opened together are not probed together.
func (t Thresholds) pause(level int, random float64) time.Duration {
	full := t.Pause
	for ; level > 0 && full < t.MaxPause; level-- {
		full = min(2*full, t.MaxPause)
	}
	return full/2 + time.Duration(random*float64(full/2))
}
