package corraltest

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The variables by which a lab knows the processes that its programs start. An agent
// passes on markVariable to an Ollama; its keeper it gives nothing but ownerVariable,
// which the Ollama has as well. To a plugin the control plane passes on pathVariable,
// which leads to a place that is named after the mark and isn't there.
const (
	markVariable  = "E2E_LAB"
	ownerVariable = "CORRAL_OWNER"
	pathVariable  = "PATH"
)

// endLimit is how long what was left behind may take to end by itself.
const endLimit = 5 * time.Second

// Lab is where the processes of one test live.
type Lab struct {
	T   testing.TB
	Dir string // gone after the test; its path is short, as a socket's has to be

	mark    string
	owners  map[string]bool // entries of ownerVariable that were seen beside the mark
	folders int
}

// New returns an empty lab. At the end of the test it fails it if a process of
// the lab is still there.
func New(t testing.TB) *Lab {
	t.Helper()
	dir, err := os.MkdirTemp("", "corral") //nolint:usetesting // a socket's path may not be as long as a test's name makes it
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{T: t, Dir: dir, mark: rand.Text(), owners: map[string]bool{}}
	t.Cleanup(func() {
		l.wantNothingLeft()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the lab's folder: %v", err)
		}
	})
	return l
}

// Folder returns a path in the lab where nothing is yet.
func (l *Lab) Folder(name string) string {
	l.folders++
	return filepath.Join(l.Dir, name+strconv.Itoa(l.folders))
}

// marked returns an environment in which the lab knows a process again.
func (l *Lab) marked(environ []string) []string {
	path := pathVariable + "="
	for _, entry := range environ {
		if strings.HasPrefix(entry, pathVariable+"=") {
			path = entry // the last one counts
		}
	}
	return append(slices.Clone(environ), markVariable+"="+l.mark, path+string(filepath.ListSeparator)+filepath.Join(l.Dir, l.mark))
}

// Processes returns the living processes that the lab's programs started, by
// whatever way, and those programs themselves.
func (l *Lab) Processes() []int {
	l.T.Helper()
	environs := l.environs()
	isMarked := func(entry string) bool { return strings.Contains(entry, l.mark) }
	for _, environ := range environs {
		if !slices.ContainsFunc(environ, isMarked) {
			continue
		}
		for _, entry := range environ {
			if strings.HasPrefix(entry, ownerVariable+"=") {
				l.owners[entry] = true
			}
		}
	}
	var pids []int
	for pid, environ := range environs {
		if slices.ContainsFunc(environ, func(entry string) bool { return l.owners[entry] || isMarked(entry) }) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// environs returns the environment of every living process that may be read.
func (l *Lab) environs() map[int][]string {
	l.T.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(files) == 0 {
		l.T.Fatalf("list processes: none under /proc (%v)", err)
	}
	all := map[int][]string{}
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended, or belongs to somebody else
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			l.T.Fatal(err)
		}
		all[pid] = strings.Split(string(environ), "\x00")
	}
	return all
}

// wantNothingLeft fails the test if processes are left, and kills them.
func (l *Lab) wantNothingLeft() {
	l.T.Helper()
	for deadline := time.Now().Add(endLimit); ; {
		left := l.Processes()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, pid := range left {
				l.T.Errorf("process %d is left over: %s", pid, CommandLine(pid))
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended just now
			}
			return
		}
		<-time.After(pollInterval)
	}
}

// CommandLine returns the arguments of a process, or "" when it has gone.
func CommandLine(pid int) string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
}

// Find returns the lab's processes whose command line contains word.
func (l *Lab) Find(word string) []int {
	l.T.Helper()
	var pids []int
	for _, pid := range l.Processes() {
		if strings.Contains(CommandLine(pid), word) {
			pids = append(pids, pid)
		}
	}
	return pids
}
