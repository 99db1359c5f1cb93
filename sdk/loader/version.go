package loader

import (
	"slices"
	"strconv"
	"strings"
)

// Before reports whether one version of Ollama comes before another. What is no version
// is unknown, and comes before none.
func Before(version, other string) bool {
	a, okA := parseVersion(version)
	b, okB := parseVersion(other)
	return okA && okB && slices.Compare(a[:], b[:]) < 0
}

// parseVersion reads a version, and reports false for what is none. One that comes before
// a release is taken for that.
func parseVersion(text string) (v [3]int, ok bool) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "-")
	parts := strings.Split(text, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}
