package keeper

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// group is a control group (version 2) in which the program alone runs. Killing
// it reaches every process at once, also one that forks meanwhile.
type group struct{ dir string }

// groupOf returns the place of an owner's group below the caller's own group,
// or false where there is no such hierarchy.
func groupOf(owner string) (group, bool) {
	mount, ok := unifiedMount()
	if !ok {
		return group{}, false
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return group{}, false
	}
	for line := range strings.Lines(string(own)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return group{dir: filepath.Join(mount, path, "corral-"+owner)}, true
		}
	}
	return group{}, false
}

// unifiedMount returns where the version 2 hierarchy is mounted.
func unifiedMount() (string, bool) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mount, kind, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if ok && strings.HasPrefix(kind, "cgroup2 ") && len(fields) > 4 {
			return fields[4], true
		}
	}
	return "", false
}

// open makes the group if it can and returns a descriptor of it to start a
// process in. A group left over from a former life is used again.
func (g group) open() (fd int, ok bool) {
	if err := os.Mkdir(g.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return -1, false
	}
	if unix.Access(filepath.Join(g.dir, "cgroup.kill"), unix.W_OK) != nil {
		g.remove()
		return -1, false
	}
	fd, err := unix.Open(g.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return fd, err == nil
}

// kill sends SIGKILL to everything in the group. A group that isn't there has nothing in it.
func (g group) kill() {
	if g.dir == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(g.dir, "cgroup.kill"), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString("1") // what it does not reach is killed one by one
}

// remove takes the group away if nothing is in it.
func (g group) remove() {
	if g.dir != "" {
		_ = unix.Rmdir(g.dir) // it stays where something is left in it
	}
}
