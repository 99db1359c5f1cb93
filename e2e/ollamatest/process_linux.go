package ollamatest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is what /proc says about one process.
type process struct {
	pid, parent, group int
	state              byte // as in ps: 'R', 'S', 'T' when stopped, 'Z' when dead and not yet reaped
}

// RunnerPIDs returns the processes in which serve runs models: its living
// children that are called as a runner. Newer releases call it llama-server.
func (s *Server) RunnerPIDs() []int {
	s.t.Helper()
	var pids []int
	for _, p := range s.processes() {
		if p.parent == s.PID && p.state != 'Z' && isRunner(p.pid) {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// isRunner looks at the arguments of a process. One that has just ended is none.
func isRunner(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	program, arguments, _ := bytes.Cut(line, []byte{0})
	first, _, _ := bytes.Cut(arguments, []byte{0})
	return string(first) == "runner" || filepath.Base(string(program)) == "llama-server"
}

// group returns the living processes of the group.
func (s *Server) group() []int {
	s.t.Helper()
	var pids []int
	for _, p := range s.processes() {
		if p.group == s.PID && p.state != 'Z' {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

func (s *Server) processes() []process {
	s.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		s.t.Fatalf("list processes: none under /proc (%v)", err)
	}
	var all []process
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended since it was listed
		}
		p, err := parseStat(string(line))
		if err != nil {
			s.t.Fatalf("read %s: %v", f, err)
		}
		all = append(all, p)
	}
	return all
}

// parseStat reads the beginning of a /proc/PID/stat line: pid (name) state
// parent group. The name may hold anything, parentheses and spaces too.
func parseStat(line string) (process, error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("no name in %q", line)
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 3 || len(fields[0]) != 1 {
		return process{}, fmt.Errorf("too few fields in %q", line)
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(line[:open]))
	parent, err2 := strconv.Atoi(fields[1])
	group, err3 := strconv.Atoi(fields[2])
	if err := errors.Join(err1, err2, err3); err != nil {
		return process{}, err
	}
	return process{pid: pid, parent: parent, group: group, state: fields[0][0]}, nil
}
