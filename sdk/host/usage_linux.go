package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process uses of the machine.
type Usage struct {
	RSSBytes int64
	CPUTime  time.Duration // since its start
}

// ticksPerSecond is the unit of times in /proc, on every machine that Linux knows.
const ticksPerSecond = 100

// Usage returns what the process uses. One that is gone is an error.
func (p *Process) Usage() (Usage, error) { return usageOf(p.PID()) }

func usageOf(pid int) (Usage, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	// The name of the program stands in brackets and may have spaces in it.
	text := string(body)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const user, system, resident = 11, 12, 21 // counted from the state on
	if len(fields) <= resident {
		return Usage{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks, pages int64
	for _, at := range []int{user, system} {
		n, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return Usage{}, err
		}
		ticks += n
	}
	if pages, err = strconv.ParseInt(fields[resident], 10, 64); err != nil {
		return Usage{}, err
	}
	return Usage{RSSBytes: pages * int64(os.Getpagesize()), CPUTime: time.Duration(ticks) * time.Second / ticksPerSecond}, nil
}
