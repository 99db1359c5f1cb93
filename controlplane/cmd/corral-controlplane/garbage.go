package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"time"
)

const (
	// garbagePercent is how much garbage may be there of what is in use. Most of what
	// is in use of much belongs to connections that do little, of which little garbage
	// comes.
	garbagePercent = 50
	// leastGarbage may be there however little is in use: collecting that more often
	// would take time from the requests, of which all garbage of a small fleet comes.
	leastGarbage = 16 << 20 // bytes
	// garbageInterval is how often it is looked at what is in use.
	garbageInterval = time.Second
)

// limitGarbage sets how much garbage there may be, by how much is in use, until ctx
// ends. GOGC in the environment has the last word.
func limitGarbage(ctx context.Context, environ []string) {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") }) {
		return
	}
	tick := time.NewTicker(garbageInterval)
	defer tick.Stop()
	used := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	for before := 0; ; {
		metrics.Read(used)
		percent := percentOf(used[0].Value.Uint64() + used[1].Value.Uint64())
		if percent*10 > before*11 || percent*10 < before*9 { // each change stops everything for a moment
			debug.SetGCPercent(percent)
			before = percent
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// percentOf returns how much garbage there may be of so many bytes in use.
func percentOf(used uint64) int {
	return max(garbagePercent, int(100*leastGarbage/max(used, 1<<20)))
}
