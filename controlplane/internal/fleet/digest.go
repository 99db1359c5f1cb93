package fleet

import (
	"cmp"
	"maps"
	"slices"
)

// ballot decides which digest a name stands for where hosts disagree. It has the
// ids of the hosts that hold each digest.
type ballot map[string]map[string]bool

// add counts a host for a digest, once however many of its instances hold it.
func (b ballot) add(digest, hostID string) {
	if b[digest] == nil {
		b[digest] = map[string]bool{}
	}
	b[digest][hostID] = true
}

// ranked returns the digests, the one that most hosts hold first, equals by
// value, so that the choice never flickers.
func (b ballot) ranked() []string {
	return slices.SortedFunc(maps.Keys(b), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(b[y]), len(b[x])), cmp.Compare(x, y))
	})
}
