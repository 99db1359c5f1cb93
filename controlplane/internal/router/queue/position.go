package queue

import "math"

// position returns how many requests will be let in up to and with t.
func (l *line) position(t *Ticket) int {
	tag, ahead := t.flow.tag, 0
	for u := t.flow.first; u != t; u = u.next {
		tag += u.cost
		ahead++
	}
	v, cost := t.flow.level, tag-t.flow.tag
	for _, f := range v.queue {
		if f == t.flow {
			continue
		}
		at := f.tag
		for u := f.first; u != nil && (at < tag || at == tag && f.turn < t.flow.turn); u = u.next {
			at += u.cost
			cost += u.cost
			ahead++
		}
	}
	return 1 + ahead + l.aheadElsewhere(v, v.tag+(cost+t.cost)/v.weight)
}

// aheadElsewhere estimates how many requests of other levels are let in before
// one whose level's tag will be end behind it.
func (l *line) aheadElsewhere(than *level, end float64) (n int) {
	above := false
	for i := range l.levels {
		v := &l.levels[i]
		if v == than {
			above = true
			continue
		}
		if v.waiting == 0 || v.tag >= end {
			continue
		}
		through := (end - v.tag) * v.weight / l.usualCost()
		if above {
			through = math.Floor(through) // of equals the highest comes first
		} else {
			through = math.Ceil(through) - 1
		}
		n += int(min(through, float64(v.waiting)))
	}
	return n
}
