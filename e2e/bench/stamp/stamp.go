// Package stamp marks the pieces of an answer with where they belong and when
// they were sent. Whoever reads them can tell how long each was on its way, and
// notices one that is lost, doubled or another answer's.
package stamp

import (
	"bytes"
	"strconv"
	"time"
)

// Clock tells the time of day, but goes on evenly when that is set: the clocks
// of two processes of one machine agree unless it was set between their starts.
type Clock struct{ began time.Time }

// NewClock starts a clock.
func NewClock() Clock { return Clock{began: time.Now()} }

// Now returns the time since 1970.
func (c Clock) Now() time.Duration { return c.At(time.Now()) }

// At returns the clock's time at t, which must come from this process's
// [time.Now].
func (c Clock) At(t time.Time) time.Duration {
	return time.Duration(c.began.UnixNano()) + t.Sub(c.began)
}

// Stamp is what a piece says in place of words.
type Stamp struct {
	Answer uint64        // the sender's number of the answer, from 1
	Piece  int           // its place in the answer, from 0
	Sent   time.Duration // by a [Clock]
	Late   time.Duration // behind the sender's own schedule
}

// Append appends the stamp to dst. It needs no escaping in JSON.
func (s Stamp) Append(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, mark...), s.Answer, 10)
	for _, n := range [...]int64{int64(s.Piece), int64(s.Sent), int64(s.Late)} {
		dst = strconv.AppendInt(append(dst, ' '), n, 10)
	}
	return append(dst, ' ')
}

// mark is what a stamp begins with.
const mark = "stamp "

// Find returns the stamp in a line, and false when there is none.
func Find(line []byte) (Stamp, bool) {
	_, rest, ok := bytes.Cut(line, []byte(mark))
	if !ok {
		return Stamp{}, false
	}
	var numbers [4]int64
	for i := range numbers {
		var digits []byte
		if digits, rest, ok = bytes.Cut(rest, []byte{' '}); !ok {
			return Stamp{}, false
		}
		n, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil || n < 0 {
			return Stamp{}, false
		}
		numbers[i] = n
	}
	return Stamp{
		Answer: uint64(numbers[0]), Piece: int(numbers[1]),
		Sent: time.Duration(numbers[2]), Late: time.Duration(numbers[3]),
	}, true
}
