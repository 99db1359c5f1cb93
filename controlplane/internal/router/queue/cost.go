package queue

import "math"

// The bounds of a cost keep the tags of a line in the range where numbers of
// this type can still be told apart.
const (
	minCost = 1e-3
	maxCost = 1e9
)

// costOf returns what a request is taken to cost.
func (l *line) costOf(told float64) float64 {
	if told > 0 {
		return min(max(told, minCost), maxCost)
	}
	return l.usualCost()
}

// usualCost returns what a request costs of which nothing is known.
func (l *line) usualCost() float64 {
	if l.meanCost == 0 {
		return 1
	}
	return l.meanCost
}

// isKnown reports whether a cost that was told is one.
func isKnown(cost float64) bool { return cost >= 0 && !math.IsInf(cost, 1) }
