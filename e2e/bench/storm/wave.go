package storm

import (
	"math"
	"math/rand/v2"
	"time"
)

// wave is a number that moves slowly between two bounds, with a ripple on it. It
// is a function of time alone.
type wave struct {
	low, high     float64
	period        time.Duration
	phase, ripple float64 // in turns of the period
}

func newWave(random *rand.Rand, low, high float64) wave {
	return wave{
		low: low, high: high, period: time.Minute + time.Duration(random.Int64N(int64(4*time.Minute))),
		phase: random.Float64(), ripple: 5 + 15*random.Float64(),
	}
}

// at returns the number at a time.
func (w wave) at(t time.Duration) float64 {
	turn := 2 * math.Pi * (t.Seconds()/w.period.Seconds() + w.phase)
	height := 0.5 + 0.38*math.Sin(turn) + 0.12*math.Sin(w.ripple*turn) // from 0 to 1
	return w.low + height*(w.high-w.low)
}
