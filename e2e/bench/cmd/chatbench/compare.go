package main

import (
	"slices"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
)

// figure is what one path came to, beside the direct one.
type figure struct {
	series
	firstToken load.Quantiles // over all rounds
	measured   bool           // whether there was any first token
	adds       time.Duration  // to the first token of the direct path
	addsP99    time.Duration  // to the p99 of its first tokens
	rate       float64        // complete streams a second
	rateRatio  float64        // of the direct path's
}

// compare sets every path beside the first, which is the direct one. What a
// path adds is the median over the rounds of the difference between its median
// and the direct path's in the same round, so that a machine that gets slower
// meanwhile slows both.
func compare(list []series) []figure {
	figures := make([]figure, len(list))
	for i, s := range list {
		f := figure{series: s}
		f.firstToken, f.measured = load.QuantilesOf(slices.Concat(s.first...))
		var adds, addsP99 []time.Duration
		for round := range min(len(s.first), len(list[0].first)) {
			ours, ok := load.QuantilesOf(slices.Clone(s.first[round]))
			theirs, too := load.QuantilesOf(slices.Clone(list[0].first[round]))
			if ok && too {
				adds, addsP99 = append(adds, ours.Median-theirs.Median), append(addsP99, ours.P99-theirs.P99)
			}
		}
		f.adds, f.addsP99 = median(adds), median(addsP99)
		var ratios []float64
		for round := range min(len(s.rates), len(list[0].rates)) {
			if base := list[0].rates[round]; base > 0 {
				ratios = append(ratios, s.rates[round]/base)
			}
		}
		f.rate, f.rateRatio = median(s.rates), median(ratios)
		figures[i] = f
	}
	return figures
}

// median returns the middle of xs, or the mean of the two that are; 0 when
// there are none.
func median[T time.Duration | float64](xs []T) T {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Sorted(slices.Values(xs))
	mid := len(xs) / 2
	if len(xs)%2 == 1 {
		return xs[mid]
	}
	return (xs[mid-1] + xs[mid]) / 2
}
