package breaker

import "time"

// slots is into how many parts a window is cut: what is older than the whole
// window is forgotten a part at a time.
const slots = 10

// tally counts outcomes.
type tally struct {
	failed, succeeded int
}

// window counts the outcomes of the recent past.
type window struct {
	newest int64 // the slot to which the latest outcome belonged
	counts [slots]tally
}

// slotOf returns the slot of a moment, which is given as the time since some
// beginning, in windows of this span.
func slotOf(elapsed, span time.Duration) int64 { return int64(elapsed / (span / slots)) }

// turn forgets what is too old at a slot.
func (w *window) turn(slot int64) {
	for n := int64(0); w.newest < slot && n < slots; n++ {
		w.newest++
		w.counts[w.newest%slots] = tally{}
	}
	w.newest = max(w.newest, slot)
}

func (w *window) add(slot int64, failed bool) {
	w.turn(slot)
	if failed {
		w.counts[w.newest%slots].failed++
	} else {
		w.counts[w.newest%slots].succeeded++
	}
}

// sum returns what the window at a slot has counted.
func (w *window) sum(slot int64) tally {
	w.turn(slot)
	var sum tally
	for _, t := range w.counts {
		sum.failed += t.failed
		sum.succeeded += t.succeeded
	}
	return sum
}
