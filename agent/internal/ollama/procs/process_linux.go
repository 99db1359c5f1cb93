// Package procs reads Linux's process table and signals processes without ever
// mistaking one for another.
//
// A number is a poor name for a process: it is given anew as soon as its bearer
// is gone. A [Process] is named by its number and the time of its start, and
// [Process.Signal] checks both while it holds the process by a descriptor.
package procs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrGone is returned for a process that has ended.
var ErrGone = errors.New("the process has ended")

// Process is one row of the process table, as it was when it was read.
type Process struct {
	PID    int
	Parent int
	Start  uint64 // clock ticks from boot to its start
	State  byte   // as in proc(5): R, S, D, T, Z, …
	Name   string // of its program, cut to 15 bytes by the kernel
}

// Read returns the process with this number, or [ErrGone].
func Read(pid int) (Process, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, ErrGone
	}
	return parseStat(stat)
}

// parseStat reads a line of /proc/PID/stat. The program's name is in
// parentheses and may itself hold spaces and parentheses.
func parseStat(stat []byte) (Process, error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return Process{}, fmt.Errorf("process table: malformed row %q", stat)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(stat[:open])))
	if err != nil {
		return Process{}, fmt.Errorf("process table: malformed row %q", stat)
	}
	const state, parent, start = 0, 1, 19 // counted from the field after the name
	rest := strings.Fields(string(stat[end+1:]))
	if len(rest) <= start || len(rest[state]) != 1 {
		return Process{}, fmt.Errorf("process table: malformed row %q", stat)
	}
	p := Process{PID: pid, State: rest[state][0], Name: string(stat[open+1 : end])}
	if p.Parent, err = strconv.Atoi(rest[parent]); err != nil {
		return Process{}, fmt.Errorf("process table: parent of %d: %w", pid, err)
	}
	if p.Start, err = strconv.ParseUint(rest[start], 10, 64); err != nil {
		return Process{}, fmt.Errorf("process table: start of %d: %w", pid, err)
	}
	return p, nil
}

// Running reports whether the process was more than a row that waits to be collected.
func (p Process) Running() bool { return p.State != 'Z' && p.State != 'X' }

// Args returns the command line, or [ErrGone].
func (p Process) Args() ([]string, error) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cmdline")
	if err != nil || len(line) == 0 {
		return nil, ErrGone
	}
	return strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), nil
}

// ours reports whether the process runs under our user. Processes of others
// are never looked into and never signalled.
func (p Process) ours() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/"+strconv.Itoa(p.PID), &st) == nil && int(st.Uid) == os.Geteuid()
}

// hasEnv reports whether the process was started with this "NAME=value".
func (p Process) hasEnv(entry string) bool {
	name, want, _ := strings.Cut(entry, "=")
	value, ok, err := p.Env(name)
	return err == nil && ok && value == want
}

// Signal sends sig to this very process, or returns [ErrGone].
func (p Process) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return ErrGone
	case err != nil: // a kernel or a sandbox without descriptors of processes
		if now, err := Read(p.PID); err != nil || now.Start != p.Start {
			return ErrGone
		}
		return goneIfUnknown(unix.Kill(p.PID, sig))
	}
	defer unix.Close(fd)
	if now, err := Read(p.PID); err != nil || now.Start != p.Start {
		return ErrGone
	}
	return goneIfUnknown(unix.PidfdSendSignal(fd, sig, nil, 0))
}

func goneIfUnknown(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}
