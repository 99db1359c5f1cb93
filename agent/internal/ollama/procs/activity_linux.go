package procs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of a process's times: the kernel shows every program
// hundredths of a second, whatever it counts in itself.
const tick = 10 * time.Millisecond

// Activity is what a process has done since its start, and what it is about.
type Activity struct {
	CPU      time.Duration // that its threads have computed, in steps of 10 ms
	Faults   uint64        // times that it needed a page which had to be read first
	Resident uint64        // pages that it has in memory
	Read     uint64        // bytes that it had read from disks; 0 where the kernel does not tell

	// Busy says that a thread of it is on a processor, waits for one, or waits
	// in the kernel for a device.
	Busy    bool
	Stopped bool // every thread was stopped by a signal
}

// Activity reads the activity of this very process, or returns [ErrGone].
func (p Process) Activity() (Activity, error) {
	dir := "/proc/" + strconv.Itoa(p.PID)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Activity{}, ErrGone
	}
	now, err := parseStat(stat)
	if err != nil {
		return Activity{}, err
	}
	if now.Start != p.Start || !now.Running() {
		return Activity{}, ErrGone
	}
	a, err := parseActivity(stat)
	if err != nil {
		return Activity{}, err
	}
	a.Read = readBytes(dir + "/io")
	a.Busy, a.Stopped, err = threads(dir + "/task")
	return a, err
}

// parseActivity reads the numbers of an activity from a line of /proc/PID/stat
// that [parseStat] could read.
func parseActivity(stat []byte) (Activity, error) {
	const faults, user, system, resident = 9, 11, 12, 21 // counted from the field after the name
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(rest) <= resident {
		return Activity{}, fmt.Errorf("process table: malformed row %q", stat)
	}
	var n [4]uint64
	for i, field := range [...]int{faults, user, system, resident} {
		var err error
		if n[i], err = strconv.ParseUint(rest[field], 10, 64); err != nil {
			return Activity{}, fmt.Errorf("process table: malformed row %q", stat)
		}
	}
	return Activity{Faults: n[0], CPU: time.Duration(n[1]+n[2]) * tick, Resident: n[3]}, nil
}

// readBytes returns what a /proc/PID/io says was read from disks. The file is
// often for its owner alone.
func readBytes(path string) uint64 {
	io, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(io)) {
		if text, ok := strings.CutPrefix(line, "read_bytes: "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(text), 10, 64) // 0 is "not told"
			return n
		}
	}
	return 0
}

// threads says what the threads in a /proc/PID/task are at. The process's own
// row tells of its first thread alone, which mostly sleeps.
func threads(dir string) (busy, stopped bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, false, ErrGone
	}
	seen := 0
	stopped = true
	for _, e := range entries {
		stat, err := os.ReadFile(filepath.Join(dir, e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		thread, err := parseStat(stat)
		if err != nil {
			return false, false, err
		}
		seen++
		switch thread.State {
		case 'R', 'D':
			busy = true
		}
		stopped = stopped && (thread.State == 'T' || thread.State == 't')
	}
	if seen == 0 {
		return false, false, ErrGone
	}
	return busy, stopped, nil
}

// HasOpen reports whether the process has a file open that is one of these
// paths or below one of them. An error means that the kernel does not let us see
// it.
func (p Process) HasOpen(paths ...string) (bool, error) {
	dir := "/proc/" + strconv.Itoa(p.PID) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("open files of process %d: %w", p.PID, err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		for _, path := range paths {
			if target == path || strings.HasPrefix(target, path+"/") {
				return true, nil
			}
		}
	}
	return false, nil
}
