package queue

import (
	"container/heap"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// levels is how many priorities there are.
const levels = fleet.MaxPriority - fleet.MinPriority + 1

// line is the queue of one model. All of it is under the queue's lock.
//
// It holds a fair queue of levels, one a priority, each of which is a fair queue
// of flows, one a key. Both work alike: tag is the virtual time at which what is
// next starts, virtual the tag at which those start that had nothing waiting, and
// top the largest tag that was given out.
type line struct {
	capacity int // places in service; below 0: unknown
	serving  int
	waiting  int

	levels       [levels]level
	virtual, top float64
	turn         uint64 // counts the flows that came, so that equals go in that order

	meanCost float64 // of requests that ended; 0: none has yet
	meanHold float64 // seconds in service of requests that ended; 0: none has yet
}

// level is the queue of one priority.
type level struct {
	weight       float64
	tag          float64
	virtual, top float64
	waiting      int
	active       int              // flows that have something waiting or in service
	queue        flowHeap         // the flows that have something waiting
	flows        map[string]*flow // by key; also those that have been idle for a while
	sweep        int              // as many flows as this are looked through for ones that can go
}

// flow is the queue of one key at one priority.
type flow struct {
	level       *level
	tag         float64
	turn        uint64 // of its coming, among the flows of the line
	index       int    // in the level's heap; -1 while nothing waits
	waiting     int
	serving     int
	first, last *Ticket
}

func newLine() *line {
	l := &line{capacity: Unknown}
	weight := 1.0
	for i := range l.levels {
		l.levels[i] = level{weight: weight, flows: map[string]*flow{}, sweep: minSweep}
		weight *= 4
	}
	return l
}

// free reports whether there is a place in service.
func (l *line) free() bool { return l.capacity < 0 || l.serving < l.capacity }

// level returns the level of a priority; what is out of range has the nearest.
func (l *line) level(priority int) *level {
	return &l.levels[min(max(priority, fleet.MinPriority), fleet.MaxPriority)-fleet.MinPriority]
}

// flow returns the flow of a key, a new one where it has none.
func (v *level) flow(key string) *flow {
	if f := v.flows[key]; f != nil {
		return f
	}
	if len(v.flows) >= v.sweep {
		for key, f := range v.flows {
			// One that owes nothing starts anew as well as it would go on.
			if f.waiting == 0 && f.serving == 0 && f.tag <= v.virtual {
				delete(v.flows, key)
			}
		}
		v.sweep = minSweep + 2*len(v.flows)
	}
	f := &flow{level: v, index: -1}
	v.flows[key] = f
	return f
}

// waitingOf returns how many requests of a key wait, at any priority.
func (l *line) waitingOf(key string) (n int) {
	for i := range l.levels {
		if f := l.levels[i].flows[key]; f != nil {
			n += f.waiting
		}
	}
	return n
}

// begin starts the virtual clocks of a flow and its level that had nothing
// waiting: at what is being served, or later where they have had more than that.
func (l *line) begin(f *flow) {
	if f.level.waiting == 0 {
		f.level.tag = max(f.level.tag, l.virtual)
	}
	if f.waiting == 0 {
		f.tag = max(f.tag, f.level.virtual)
		l.turn++
		f.turn = l.turn
	}
}

// push adds a request at the end of its flow.
func (l *line) push(t *Ticket) {
	f := t.flow
	l.begin(f)
	if f.last == nil {
		f.first = t
	} else {
		f.last.next, t.prev = t, f.last
	}
	f.last = t
	l.count(f, 1, 0)
	if f.index < 0 {
		heap.Push(&f.level.queue, f)
	}
}

// remove takes a request out of its flow.
func (l *line) remove(t *Ticket) {
	f := t.flow
	if t.prev == nil {
		f.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		f.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
	l.count(f, -1, 0)
	if f.waiting == 0 {
		heap.Remove(&f.level.queue, f.index)
	}
}

// admit lets in requests for as long as there are places and any wait.
func (l *line) admit(now time.Time) {
	for l.waiting > 0 && l.free() {
		t := l.next().queue[0].first
		l.charge(t, now)
		l.remove(t)
		close(t.ready)
	}
}

// count notes that more or less of a flow waits and is in service.
func (l *line) count(f *flow, waiting, serving int) {
	was := f.waiting > 0 || f.serving > 0
	l.waiting += waiting
	l.serving += serving
	f.level.waiting += waiting
	f.waiting += waiting
	f.serving += serving
	if is := f.waiting > 0 || f.serving > 0; is && !was {
		f.level.active++
	} else if was && !is {
		f.level.active--
	}
}

// next returns the level whose turn it is: the one whose next request would be
// through first if each level had its share all the time, and of equals the
// highest. By the start alone, as among keys, a low level that had nothing would
// go before all that wait higher up.
func (l *line) next() (best *level) {
	var least float64
	for i := range l.levels {
		v := &l.levels[i]
		if v.waiting == 0 {
			continue
		}
		if end := v.tag + v.queue[0].first.cost/v.weight; best == nil || end <= least {
			best, least = v, end
		}
	}
	return best
}
