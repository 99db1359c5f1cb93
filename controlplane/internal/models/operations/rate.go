package operations

import "time"

// window is over how long a rate is measured: long enough to be read by a person, and
// short enough to show that something has become slow.
const window = 10 * time.Second

// rate is how fast bytes were done lately.
type rate struct {
	marks []mark // oldest first
}

type mark struct {
	at    time.Time
	bytes int64
}

// after notes how many bytes were done by then, and returns the rate in bytes a second.
// A count that falls, as of a job that begins again, begins it again as well.
func (r *rate) after(at time.Time, bytes int64) int64 {
	if n := len(r.marks); n > 0 && bytes < r.marks[n-1].bytes {
		r.marks = r.marks[:0]
	}
	for len(r.marks) > 1 && at.Sub(r.marks[1].at) >= window {
		r.marks = r.marks[1:]
	}
	r.marks = append(r.marks, mark{at, bytes})
	first := r.marks[0]
	passed := at.Sub(first.at).Seconds()
	if passed < 1 {
		return 0
	}
	return int64(float64(bytes-first.bytes) / passed)
}

// known reports whether there was news of it in the window before: where there was none, it
// is not what it was.
func (r *rate) known(at time.Time) bool {
	n := len(r.marks)
	return n > 0 && at.Sub(r.marks[n-1].at) < window
}
