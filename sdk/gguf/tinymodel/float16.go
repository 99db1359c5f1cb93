package tinymodel

import "math"

// float16 returns the bits of the half-precision number nearest to f, the even
// one of two equally near. What is too large becomes infinity. NaN does not
// occur here.
func float16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits &^ (1 << 31)
	switch {
	case magnitude >= 0x47800000: // 65536, twice the largest half's power of two
		return sign | 0x7c00
	case magnitude < 0x38800000: // 2^-14: a subnormal half counts in steps of 2^-24
		steps := math.RoundToEven(math.Abs(float64(f)) * (1 << 24))
		return sign | uint16(steps)
	}
	const drop = 23 - 10 // bits of the fraction that a half does not have
	magnitude -= (127 - 15) << 23
	magnitude += 1<<(drop-1) - 1 + magnitude>>drop&1
	return sign | uint16(magnitude>>drop)
}
