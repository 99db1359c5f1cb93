package cli

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	paceWindow = 5 * time.Second        // over which a pace is measured
	paceStep   = 250 * time.Millisecond // between two of its marks
)

// pace is how fast bytes went lately.
type pace struct {
	marks []paceMark // oldest first
}

type paceMark struct {
	at    time.Time
	bytes int64
}

// after notes how many bytes were done by then, and returns the pace in bytes a second; 0
// is unknown. A count that falls begins anew.
func (p *pace) after(at time.Time, bytes int64) int64 {
	if n := len(p.marks); n > 0 && bytes < p.marks[n-1].bytes {
		p.marks = p.marks[:0]
	}
	for len(p.marks) > 1 && at.Sub(p.marks[1].at) >= paceWindow {
		p.marks = p.marks[1:]
	}
	if n := len(p.marks); n == 0 || at.Sub(p.marks[n-1].at) >= paceStep {
		p.marks = append(p.marks, paceMark{at, bytes})
	}
	passed := at.Sub(p.marks[0].at).Seconds()
	if passed < 1 {
		return 0
	}
	return int64(float64(bytes-p.marks[0].bytes) / passed)
}

// portion is how much of something is done, for people.
func portion(done, total int64) string {
	if total <= 0 {
		return ""
	}
	return fmt.Sprintf("%d%% of %s", int(100*float64(done)/float64(total)), humanize.IBytes(uint64(total)))
}

// speed is a pace for people; 0 is unknown.
func speed(bytesPerSecond int64) string {
	if bytesPerSecond <= 0 {
		return ""
	}
	return humanize.IBytes(uint64(bytesPerSecond)) + "/s"
}

// remaining is how long something takes that has so much left.
func remaining(leftBytes, bytesPerSecond int64) string {
	if bytesPerSecond <= 0 || leftBytes < bytesPerSecond { // less than a second
		return ""
	}
	return duration(time.Duration(leftBytes/bytesPerSecond)*time.Second) + " left"
}
