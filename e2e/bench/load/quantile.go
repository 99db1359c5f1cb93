package load

import (
	"math"
	"slices"
	"time"
)

// Quantiles describe a set of durations.
type Quantiles struct {
	Median time.Duration
	P95    time.Duration
	P99    time.Duration
	Max    time.Duration
}

// QuantilesOf returns the quantiles of ds by nearest rank, and sorts ds. It
// reports false for an empty set, which has none.
func QuantilesOf(ds []time.Duration) (Quantiles, bool) {
	if len(ds) == 0 {
		return Quantiles{}, false
	}
	slices.Sort(ds)
	at := func(q float64) time.Duration {
		return ds[int(math.Ceil(q*float64(len(ds))))-1]
	}
	return Quantiles{Median: at(0.5), P95: at(0.95), P99: at(0.99), Max: at(1)}, true
}
