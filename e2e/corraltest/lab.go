package corraltest

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// markVariable marks, in its environment, every process that a lab's programs
// start. The agent passes on to an Ollama what it does not know.
const markVariable = "E2E_LAB"

// endLimit is how long what was left behind may take to end by itself.
const endLimit = 5 * time.Second

// Lab is where the processes of one test live.
type Lab struct {
	T   testing.TB
	Dir string // gone after the test; its path is short, as a socket's has to be

	mark    string
	folders int
}

// New returns an empty lab. At the end of the test it fails it if a process of
// the lab is still there.
func New(t testing.TB) *Lab {
	t.Helper()
	dir, err := os.MkdirTemp("", "corral")
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{T: t, Dir: dir, mark: rand.Text()}
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

// Processes returns the living processes that the lab's programs started, by
// whatever way, and those programs themselves.
func (l *Lab) Processes() []int {
	l.T.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(files) == 0 {
		l.T.Fatalf("list processes: none under /proc (%v)", err)
	}
	var pids []int
	for _, file := range files {
		environ, err := os.ReadFile(file) // that of one which has ended is empty
		if err != nil || !strings.Contains(string(environ), markVariable+"="+l.mark) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			l.T.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
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
				syscall.Kill(pid, syscall.SIGKILL)
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
