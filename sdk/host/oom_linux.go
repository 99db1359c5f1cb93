package host

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oomCounter is how often the kernel has ended a process of our cgroup because its
// memory was at its bound, with what that was at the beginning. Plugins are in the
// cgroup of their host, and so is what else it has started: where one of them was
// killed meanwhile, it was most likely for that. Where cgroups tell nothing, it is that
// of the whole machine.
type oomCounter struct {
	file  string // "" where there is none
	start int64
}

// newOOMCounter reads where we are from a file as /proc/self/cgroup is, and counts
// from now on. Both versions of cgroups are known.
func newOOMCounter(self, root, machine string) oomCounter {
	for _, file := range append(cgroupCounters(self, root), machine) {
		if n, ok := oomKills(file); ok {
			return oomCounter{file, n}
		}
	}
	return oomCounter{}
}

func cgroupCounters(self, root string) (counters []string) {
	f, err := os.Open(self)
	if err != nil {
		return nil
	}
	defer f.Close() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[1] == "":
			counters = append(counters, filepath.Join(root, parts[2], "memory.events"))
		case parts[1] == "memory":
			counters = append(counters, filepath.Join(root, "memory", parts[2], "memory.oom_control"))
		}
	}
	return counters
}

// known reports whether the counter can be read.
func (c oomCounter) known() bool { return c.file != "" }

// rose reports whether there were more since the beginning.
func (c oomCounter) rose() bool {
	if c.file == "" {
		return false
	}
	n, ok := oomKills(c.file)
	return ok && n > c.start
}

func oomKills(file string) (n int64, ok bool) {
	body, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(body)) {
		if count, is := strings.CutPrefix(line, "oom_kill "); is {
			n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
