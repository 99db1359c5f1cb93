// Package ollamatest starts a real Ollama for a test and gives it small models
// whose answers are known.
//
// A test that asks for an Ollama and cannot have one fails; it is never
// skipped. The functions and methods end the test on an error, and so must be
// called from the test's own goroutine. Linux only.
package ollamatest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 30 * time.Second // for the process to listen and answer
	stopGrace  = 10 * time.Second // from SIGTERM to SIGKILL
	deathLimit = 5 * time.Second  // from SIGKILL to the last process's end
)

// Options say how a [Server] is started. The zero value is fine for most tests.
type Options struct {
	Bin string   // the program; "" is what [Bin] finds
	Env []string // more environment, KEY=value, which overrides the package's own
}

// A Server is a running `ollama serve` that belongs to one test. It has a port,
// a home and a model directory of its own, and the process group that its
// process leads.
type Server struct {
	URL string // http://127.0.0.1:PORT
	PID int    // of serve, and the ID of its process group

	t      testing.TB
	output *output
	done   chan struct{} // closed when serve has ended and was reaped
}

// Start starts an Ollama and returns when it answers. It is stopped at the end
// of the test; what it wrote is logged then if the test has failed.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Bin == "" {
		o.Bin = Bin(t)
	}
	s := &Server{t: t, output: newOutput(), done: make(chan struct{})}
	home := t.TempDir()
	cmd := exec.Command(o.Bin, "serve")
	cmd.Dir = home
	cmd.Env = append(environment(home), o.Env...)
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.WaitDelay = time.Second // a runner that outlives serve must not hold up Wait
	// Should the test program die without cleaning up, serve still ends, and on
	// SIGTERM takes its runners along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}

	started := make(chan error)
	go s.supervise(cmd, started)
	if err := <-started; err != nil {
		t.Fatalf("start Ollama: %v", err)
	}
	s.PID = cmd.Process.Pid
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("the end of what Ollama wrote:\n%s", s.output.tail())
		}
	})
	s.awaitAnswer()
	return s
}

// environment returns the test's environment without what configures an Ollama
// that the developer may have, and with what sets this one apart.
func environment(home string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "OLLAMA_") {
			env = append(env, kv)
		}
	}
	return append(env,
		"HOME="+home,
		"OLLAMA_HOST=127.0.0.1:0", // any free port; serve logs which one it got
		"OLLAMA_MODELS="+home+"/models",
		"OLLAMA_NO_CLOUD=1",
	)
}

// supervise starts cmd and waits for its end. It keeps its thread throughout,
// since a parent's death signal is sent when the thread that started the child
// ends, not the process.
func (s *Server) supervise(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait() // how it ended is in its output, and tests kill it on purpose
	}
}

// awaitAnswer sets URL once Ollama listens, and returns when /api/version answers.
func (s *Server) awaitAnswer() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), startLimit)
	defer cancel()
	select {
	case address := <-s.output.listening:
		s.URL = "http://" + address
	case <-s.done:
		s.t.Fatal("Ollama ended before it listened")
	case <-ctx.Done():
		s.t.Fatalf("Ollama does not listen: %v", ctx.Err())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/version", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(request, nil)
}

// Stop ends serve and its runners and returns when no process of the group is
// left; one that is fails the test. It may be called again, and after serve has
// been killed.
func (s *Server) Stop() {
	s.t.Helper()
	select {
	case <-s.done:
	default:
		s.terminate()
	}
	s.killGroup()
}

// terminate lets serve end by itself, if it can.
func (s *Server) terminate() {
	s.t.Helper()
	s.signal(-s.PID, syscall.SIGCONT) // what a test has stopped could not end
	s.signal(s.PID, syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(stopGrace):
		s.t.Errorf("Ollama did not end within %v of SIGTERM", stopGrace)
	}
}

// killGroup kills what is left of the group and returns when nothing is. It
// looks again and again, because Linux tells nobody but the parent of a
// process's end.
func (s *Server) killGroup() {
	s.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(deathLimit)
	for {
		left := s.group()
		if len(left) == 0 {
			return
		}
		s.signal(-s.PID, syscall.SIGKILL)
		select {
		case <-again.C:
		case <-deadline:
			s.t.Errorf("processes %v of Ollama's group are still there %v after SIGKILL", left, deathLimit)
			return
		}
	}
}

// signal signals a process, or a group by its negative ID. It may be gone.
func (s *Server) signal(pid int, signal syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.t.Errorf("send %v to %d: %v", signal, pid, err)
	}
}
