// Package procstat reads what a process uses of a machine.
package procstat

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// tick is the unit of CPU time in /proc. The kernel scales what it reports to
// a hundredth of a second on every platform.
const tick = 10 * time.Millisecond

// Usage is what a process has used, and uses now.
type Usage struct {
	Name    string
	CPU     time.Duration // user and system, since its start
	RSS     uint64        // bytes resident
	RSSAnon uint64        // bytes of them that no file backs
	RSSFile uint64        // bytes of them mapped from files
	Threads uint64
}

// Read returns the usage of one process.
func Read(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("procstat: %w", err)
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, fmt.Errorf("procstat: %w", err)
	}
	u, err := parse(stat, status)
	if err != nil {
		return Usage{}, fmt.Errorf("procstat: process %d: %w", pid, err)
	}
	return u, nil
}

// parse reads a process's stat and status files.
func parse(stat, status []byte) (Usage, error) {
	name, fields, err := statFields(stat)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Name: name}
	if u.CPU, err = ticks(fields[11:13]); err != nil { // utime and stime
		return u, err
	}
	for _, f := range []struct {
		name string
		dst  *uint64
		unit uint64
	}{{"VmRSS", &u.RSS, 1024}, {"RssAnon", &u.RSSAnon, 1024}, {"RssFile", &u.RSSFile, 1024}, {"Threads", &u.Threads, 1}} {
		n, err := statusField(status, f.name)
		if err != nil {
			return u, err
		}
		*f.dst = n * f.unit
	}
	return u, nil
}

// CPUTime returns the name of a process, and its CPU time since its start with that of
// the children that have ended and that it has waited for.
func CPUTime(pid int) (name string, used time.Duration, err error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0, fmt.Errorf("procstat: %w", err)
	}
	name, fields, err := statFields(stat)
	if err == nil {
		used, err = ticks(fields[11:15]) // utime and stime, and both of the children
	}
	if err != nil {
		return "", 0, fmt.Errorf("procstat: process %d: %w", pid, err)
	}
	return name, used, nil
}

// statFields returns the name in a stat file, and the fields that follow it.
func statFields(stat []byte) (name string, fields [][]byte, err error) {
	// The name is in parentheses and may hold any of them itself.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return "", nil, fmt.Errorf("no name in %q", stat)
	}
	if fields = bytes.Fields(stat[end+1:]); len(fields) < 15 {
		return "", nil, fmt.Errorf("%d fields after the name", len(fields))
	}
	return string(stat[open+1 : end]), fields, nil
}

// ticks adds up fields that count in units of CPU time.
func ticks(fields [][]byte) (sum time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// statusField returns the number of one line of a status file.
func statusField(status []byte, name string) (uint64, error) {
	for line := range bytes.Lines(status) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || string(key) != name {
			continue
		}
		words := bytes.Fields(value)
		if len(words) == 0 {
			break
		}
		return strconv.ParseUint(string(words[0]), 10, 54)
	}
	return 0, fmt.Errorf("no %s in the status: a process that has ended", name)
}

// Tree returns a process and its descendants, itself first.
func Tree(pid int) ([]int, error) {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pids[i]), "task", "*", "children"))
		if err != nil {
			return nil, fmt.Errorf("procstat: %w", err)
		}
		for _, file := range files {
			list, err := os.ReadFile(file)
			if err != nil {
				continue // the thread has ended since
			}
			for word := range bytes.FieldsSeq(list) {
				child, err := strconv.Atoi(string(word))
				if err != nil {
					return nil, fmt.Errorf("procstat: %s: %w", file, err)
				}
				if !slices.Contains(pids, child) {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids, nil
}

// PeakRSS returns the most bytes of a process that were resident at once.
func PeakRSS(pid int) (uint64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("procstat: %w", err)
	}
	kilobytes, err := statusField(status, "VmHWM")
	return kilobytes << 10, err
}
