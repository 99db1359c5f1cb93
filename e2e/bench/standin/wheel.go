package standin

import (
	"context"
	"sync"
	"time"
)

// wheelStep is how exactly the wheel keeps the time.
const wheelStep = time.Millisecond

// wheel wakes paced answers when their next piece is due. It turns once in the
// time from one piece to the next and calls at each slot as it passes: one timer
// serves all, where ten thousand of their own would cost more than the pieces.
type wheel struct {
	pace  time.Duration
	began time.Time

	mu     sync.Mutex
	passed int // slots since the start
	slots  []map[*turn]struct{}
}

// turn is an answer's place on the wheel.
type turn struct {
	wake  chan struct{} // has room for one call
	first time.Time     // when it is called for the first time
	slot  int
}

// newWheel returns a wheel that turns once in pace, which is rounded to whole
// steps.
func newWheel(pace time.Duration) *wheel {
	w := &wheel{pace: max(pace.Round(wheelStep), wheelStep), began: time.Now()}
	w.slots = make([]map[*turn]struct{}, w.pace/wheelStep)
	for i := range w.slots {
		w.slots[i] = map[*turn]struct{}{}
	}
	return w
}

// run turns the wheel until ctx ends.
func (w *wheel) run(ctx context.Context) {
	step := time.NewTicker(wheelStep)
	defer step.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-step.C: // may be late by any number of steps
		}
		w.advance(int(time.Since(w.began) / wheelStep))
	}
}

// advance calls at the slots that have passed at a number of steps.
func (w *wheel) advance(steps int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ; w.passed < steps; w.passed++ {
		for t := range w.slots[w.passed%len(w.slots)] {
			select {
			case t.wake <- struct{}{}:
			default: // it has not taken the last call yet, and will see how late it is
			}
		}
	}
}

// join takes a place on the wheel, which comes by after one turn.
func (w *wheel) join() *turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.passed + len(w.slots) - 1
	t := &turn{
		wake:  make(chan struct{}, 1),
		first: w.began.Add(time.Duration(last+1) * wheelStep),
		slot:  last % len(w.slots),
	}
	w.slots[t.slot][t] = struct{}{}
	return t
}

// leave gives a place back.
func (w *wheel) leave(t *turn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.slots[t.slot], t)
}
