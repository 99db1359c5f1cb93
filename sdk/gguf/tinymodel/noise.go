package tinymodel

import (
	"hash/fnv"
	"math"
)

// Noise is a field of numbers that look random: its seed and the place decide
// each of them, so that leaving out one tensor changes no other. It is computed
// from integers, with a single rounding at the end, and so is the same on
// every machine.
type noise uint64

// newNoise returns the field of this name.
func newNoise(seed uint64, name string) noise {
	h := fnv.New64a()
	h.Write([]byte(name)) // a hash never fails
	return noise(scramble(seed ^ h.Sum64()))
}

// value returns a number with a mean of 0 and the given standard deviation.
func (n noise) value(row, col int, deviation float64) float32 {
	const steps = 1 << 23
	uniform := int32(n.bits(row, col)>>40) - steps // from -steps to steps-1
	return float32(float64(uniform) * (deviation * math.Sqrt(3) / steps))
}

// sign returns 1 or -1.
func (n noise) sign(row, col int) float32 {
	if n.bits(row, col)>>63 == 0 {
		return 1
	}
	return -1
}

func (n noise) bits(row, col int) uint64 {
	return scramble(uint64(n) + uint64(row)<<32 + uint64(col))
}

// scramble mixes the bits of a number: it is the output step of SplitMix64.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
