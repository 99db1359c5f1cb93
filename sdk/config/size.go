package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. In a file, a variable or a flag it may be written
// with a unit, as 20GiB or 500MB; in a body of JSON it is a plain number.
type Size int64

// sizeUnits are the units, longest suffix first so that "MiB" is not read as "B".
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
}

// ParseSize reads a whole number of bytes with an optional unit: B, kB, MB, GB
// and TB are powers of 1000, KiB, MiB, GiB and TiB powers of 1024.
func ParseSize(text string) (Size, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a size, such as 20GiB or 1048576", text)
	case n > math.MaxInt64/unit || n < math.MinInt64/unit:
		return 0, fmt.Errorf("%q is too large", text)
	}
	return Size(n * unit), nil
}

// String returns the size exactly, in the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if n := int64(s); n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
