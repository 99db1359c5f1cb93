package corraltest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

const (
	stopLimit = 20 * time.Second // for a program to drain and end
	shownLog  = 8 << 10          // bytes of a log that a failed test shows
)

// Process is a program that the lab started.
type Process struct {
	Name string
	PID  int

	lab  *Lab
	log  string        // path of what it wrote
	done chan struct{} // closed when it has ended and was reaped
	code int           // valid then: its exit status, -1 after a signal
}

// Command is how a program is started.
type Command struct {
	Path string
	Args []string
	Env  []string // beside the test's own environment
	Dir  string   // empty is the test's

	namespace bool // it gets a network namespace of its own
}

// Start starts a program in a process group of its own. It is stopped at the
// end of the test.
func (l *Lab) Start(c Command) *Process {
	l.T.Helper()
	name := filepath.Base(c.Path)
	p := &Process{Name: name, lab: l, log: l.Folder(name) + ".log", done: make(chan struct{})}
	file, err := os.Create(p.log)
	if err != nil {
		l.T.Fatal(err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = l.marked(append(os.Environ(), c.Env...))
	cmd.Stdout, cmd.Stderr = file, file
	// Should the test program die, its programs end as well.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if c.namespace {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	started := make(chan error)
	go p.supervise(cmd, file, started)
	if err := <-started; err != nil {
		l.T.Fatalf("start %s: %v", name, err)
	}
	p.PID = cmd.Process.Pid
	l.T.Cleanup(func() {
		p.finish()
		if l.T.Failed() {
			l.T.Logf("what %s wrote:\n%s", name, tail(p.Log(), shownLog))
		}
	})
	return p
}

// supervise starts cmd and waits for its end. It keeps its thread throughout,
// since the parent's death signal is sent when that thread ends.
func (p *Process) supervise(cmd *exec.Cmd, log *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	defer log.Close()
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // how it ended is in its state
		p.code = cmd.ProcessState.ExitCode()
	}
}

// Log returns what the program wrote so far.
func (p *Process) Log() []byte {
	p.lab.T.Helper()
	log, err := os.ReadFile(p.log)
	if err != nil {
		p.lab.T.Fatal(err)
	}
	return log
}

func tail(log []byte, size int) []byte {
	if len(log) <= size {
		return log
	}
	return append([]byte("…"), log[len(log)-size:]...)
}

// AwaitLog waits until the program has written something that matches the
// pattern and returns its first group, or all of it where it has none.
func (p *Process) AwaitLog(limit time.Duration, pattern string) string {
	p.lab.T.Helper()
	search := regexp.MustCompile(pattern)
	var found [][]byte
	Await(p.lab.T, limit, p.Name+" writes "+pattern, func() error {
		ended := p.Ended()
		if found = search.FindSubmatch(p.Log()); found != nil {
			return nil
		}
		if ended {
			p.lab.T.Fatalf("%s has ended and did not write %s", p.Name, pattern)
		}
		return errors.New("it did not")
	})
	return string(found[len(found)-1])
}

// LogHas reports whether the program wrote text.
func (p *Process) LogHas(text string) bool {
	p.lab.T.Helper()
	return bytes.Contains(p.Log(), []byte(text))
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal signals the program, not what it started.
func (p *Process) Signal(s syscall.Signal) {
	p.lab.T.Helper()
	p.lab.Processes() // notes what belongs to the lab before it may change
	if err := syscall.Kill(p.PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.lab.T.Errorf("send %v to %s: %v", s, p.Name, err)
	}
}

// Kill kills the program and returns when it is gone.
func (p *Process) Kill() {
	p.lab.T.Helper()
	p.Signal(syscall.SIGKILL)
	p.Wait(stopLimit)
}

// Stop has the program drain and end, and wants it to say that all went well.
func (p *Process) Stop() {
	p.lab.T.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(stopLimit); code != 0 {
		p.lab.T.Errorf("%s ended with status %d on SIGTERM", p.Name, code)
	}
}

// Wait waits for the program's end and returns its exit status, -1 after a signal.
func (p *Process) Wait(limit time.Duration) int {
	p.lab.T.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.lab.T.Errorf("%s did not end within %v", p.Name, limit)
		p.Signal(syscall.SIGKILL)
		<-p.done
	}
	return p.code
}

// finish ends the program with the test, whatever state it was left in.
func (p *Process) finish() {
	p.lab.T.Helper()
	if p.Ended() {
		return
	}
	p.Signal(syscall.SIGCONT)
	p.Stop()
}
