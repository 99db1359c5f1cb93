package gguf

import (
	"math"
	"math/bits"
)

// product multiplies and stays at the largest number where that overflows: what a
// header claims may be absurd, and must not come out small.
func product(factors ...uint64) uint64 {
	p := uint64(1)
	for _, f := range factors {
		hi, lo := bits.Mul64(p, f)
		if hi != 0 {
			// A later factor of zero still makes it zero.
			lo = math.MaxUint64
		}
		p = lo
	}
	return p
}

// sum adds and stays at the largest number where that overflows.
func sum(terms ...uint64) uint64 {
	s := uint64(0)
	for _, t := range terms {
		var carry uint64
		if s, carry = bits.Add64(s, t, 0); carry != 0 {
			return math.MaxUint64
		}
	}
	return s
}

// less subtracts and stays at zero where that would be negative.
func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}
