package queue

import (
	"container/heap"
	"time"
)

// charge puts a request into service, and what it is expected to cost on the
// account of its flow and its level.
func (l *line) charge(t *Ticket, now time.Time) {
	f := t.flow
	v := f.level
	l.virtual = max(l.virtual, v.tag)
	v.virtual = max(v.virtual, f.tag)
	l.bill(f, t.cost)
	t.state, t.begun = serving, now
	l.count(f, 0, 1)
}

// bill adds to the accounts of a flow and its level, or takes from them.
func (l *line) bill(f *flow, cost float64) {
	v := f.level
	f.tag += cost
	v.top = max(v.top, f.tag)
	v.tag += cost / v.weight
	l.top = max(l.top, v.tag)
	if f.index >= 0 {
		heap.Fix(&v.queue, f.index)
	}
}

// leastCharge is the part of a request's expected cost that it is charged even
// when it has cost nothing: else a key could hold a place again and again for
// free.
const leastCharge = 1.0 / 64

// settle takes a request out of service, and puts right what was charged for it.
func (l *line) settle(t *Ticket, actual float64, now time.Time) {
	spent := t.cost
	if isKnown(actual) {
		spent = max(min(actual, maxCost), t.cost*leastCharge)
		l.bill(t.flow, spent-t.cost)
		l.meanCost = mean(l.meanCost, spent)
	}
	l.meanHold = mean(l.meanHold, max(now.Sub(t.begun), time.Microsecond).Seconds())
	l.age(t.flow.level, spent)
	l.count(t.flow, 0, -1)
	if l.serving > 0 || l.waiting > 0 {
		return
	}
	// Nobody is left who could have been given less than others: all start anew.
	l.virtual = l.top
	for i := range l.levels {
		l.levels[i].virtual = l.levels[i].top
	}
}

// age moves a level's clock on by what each of its keys would have had of the
// service just given. Else it would stand still while ever new keys come, which
// all start at it, and who has had something already would never be next again.
// It gets no further than a request ahead of who is next: whoever comes should
// not have to wait for what others have missed.
func (l *line) age(v *level, spent float64) {
	limit := v.top
	if len(v.queue) > 0 {
		limit = min(limit, v.queue[0].tag+l.usualCost())
	}
	v.virtual = max(v.virtual, min(v.virtual+spent/float64(v.active), limit))
}

// weightOfLatest is how much the latest request counts in what is learned.
const weightOfLatest = 1.0 / 8

// mean moves a mean towards a new value; 0 is a mean of nothing.
func mean(of, latest float64) float64 {
	if of == 0 {
		return latest
	}
	return of + (latest-of)*weightOfLatest
}

// expected returns how long it will take until so many requests have been let in.
func (l *line) expected(position int) (time.Duration, bool) {
	if l.meanHold == 0 || l.capacity <= 0 {
		return 0, false
	}
	return time.Duration(l.meanHold * float64(position) / float64(l.capacity) * float64(time.Second)), true
}

// flowHeap is a heap of flows by tag, and of equals by the order in which they
// came: since every request adds to its flow's tag, the latter never starve.
type flowHeap []*flow

func (h flowHeap) Len() int { return len(h) }

func (h flowHeap) Less(i, j int) bool {
	if h[i].tag != h[j].tag {
		return h[i].tag < h[j].tag
	}
	return h[i].turn < h[j].turn
}

func (h flowHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *flowHeap) Push(x any) {
	f := x.(*flow)
	f.index = len(*h)
	*h = append(*h, f)
}

// Pop implements [heap.Interface].
func (h *flowHeap) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	f.index = -1
	return f
}
