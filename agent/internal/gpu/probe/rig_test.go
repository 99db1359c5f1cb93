//go:build cgo

package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
	"github.com/corral-fleet/corral/agent/internal/gpu/frame"
)

// built is the program, built once in the life of the test program. It is built
// without what the tests are built with, as a race detector takes a second to
// start.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gpuprobe")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "corral-gpuprobe")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program, "github.com/corral-fleet/corral/agent/cmd/corral-gpuprobe")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return program, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if program, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

// command is the probe on a host that has that library and nothing else.
func command(t *testing.T, lib *fakenvml.Library, args ...string) *exec.Cmd {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	none := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--sys", none, "--proc", none, "--log", none + "/kmsg"}, args...)...)
	cmd.Env = lib.Env()
	return cmd
}

// reading is what the probe prints by hand.
func reading(t *testing.T, cmd *exec.Cmd) gpu.Reading {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderrOf(err))
	}
	var r gpu.Reading
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func stderrOf(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(exit.Stderr)
	}
	return ""
}

// running is a probe that writes frames.
type running struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	frames *frame.Reader
	pipe   *os.File
	stderr *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: cmd, frames: frame.NewReader(out), pipe: out, stderr: &lockedBuffer{}}
	cmd.ExtraFiles = []*os.File{in}
	cmd.Stdout, cmd.Stderr = r.stderr, r.stderr
	if r.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); out.Close() })
	return r
}

// until reads frames until one is as it should be.
func (r *running) until(t *testing.T, what string, ok func(*gpu.Reading) bool) {
	t.Helper()
	if err := r.pipe.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got gpu.Reading
	for {
		if err := r.frames.Read(&got); err != nil {
			t.Fatalf("%s: %v, after %+v\n%s", what, err, got, r.stderr)
		}
		if ok(&got) {
			return
		}
	}
}

func (r *running) waitExit(t *testing.T) *os.ProcessState {
	t.Helper()
	done := make(chan struct{})
	go func() { r.cmd.Wait(); close(done) }()
	select {
	case <-done:
		return r.cmd.ProcessState
	case <-time.After(20 * time.Second):
		t.Fatalf("the probe does not end\n%s", r.stderr)
		return nil
	}
}
