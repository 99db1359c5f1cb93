//go:build cgo

package probe

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
)

func TestFramesUntilStandardInputEnds(t *testing.T) {
	lib := fakenvml.New(t)
	lib.Say(t, "cards 2", "print nvmlDeviceGetPowerUsage")
	r := start(t, command(t, lib, "--every", "5ms"))
	n := 0
	r.until(t, "three frames", func(got *gpu.Reading) bool {
		if got.State != gpu.OK || len(got.Devices) != 2 {
			t.Errorf("the reading is %+v", got)
		}
		n++
		return n == 3
	})
	if !strings.Contains(r.stderr.String(), "says the library") {
		t.Errorf("what the library prints went nowhere: %q", r.stderr)
	}
	r.stdin.Close()
	if state := r.waitExit(t); state.ExitCode() != 0 {
		t.Errorf("the probe ended with %v", state)
	}
}

// What a library prints does not get into what the probe prints.
func TestALibraryPrints(t *testing.T) {
	lib := fakenvml.New(t)
	lib.Say(t, "print nvmlInit_v2", "print nvmlDeviceGetName")
	cmd := command(t, lib)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if r := reading(t, cmd); r.State != gpu.OK || !strings.Contains(stderr.String(), "nvmlDeviceGetName was called, says the library") {
		t.Errorf("%s; to standard error went %q", r.State, &stderr)
	}
}

func TestACallCrashes(t *testing.T) {
	lib := fakenvml.New(t)
	r := start(t, command(t, lib, "--every", "5ms"))
	r.until(t, "a reading", func(got *gpu.Reading) bool { return got.State == gpu.OK })
	lib.Say(t, "crash nvmlDeviceGetTemperature")
	state := r.waitExit(t)
	if status, ok := state.Sys().(syscall.WaitStatus); state.Success() || !ok || !status.Signaled() && status.ExitStatus() != 2 {
		t.Errorf("the probe ended with %v", state)
	}
}

// The agent sees that no frame comes. The process can be ended all the same.
func TestACallHangs(t *testing.T) {
	lib := fakenvml.New(t)
	r := start(t, command(t, lib, "--every", "5ms"))
	r.until(t, "a reading", func(got *gpu.Reading) bool { return got.State == gpu.OK })
	lib.Say(t, "hang nvmlDeviceGetUtilizationRates")
	if err := r.pipe.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got gpu.Reading
	for range 1000 {
		if err := r.frames.Read(&got); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a call that hangs: %v", err)
			}
			r.stdin.Close()
			if state := r.waitExit(t); state.ExitCode() != 0 {
				t.Errorf("the probe ended with %v", state)
			}
			return
		}
	}
	t.Error("frames come while a call hangs")
}

// The agent waits for the end of the pipe, which a child that hangs must not hold.
func TestACallHangsInAnotherProcess(t *testing.T) {
	lib := fakenvml.New(t)
	lib.Say(t, "hang nvmlSystemGetCudaDriverVersion")
	r := start(t, command(t, lib, "--every", "5ms"))
	r.until(t, "a reading", func(got *gpu.Reading) bool { return got.State == gpu.OK })
	r.until(t, "the question", func(*gpu.Reading) bool {
		return lib.Count(t, fakenvml.Call{Function: "nvmlSystemGetCudaDriverVersion", Card: -1}) > 0
	})
	r.cmd.Process.Kill()
	r.waitExit(t)
	if err := r.pipe.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got gpu.Reading
	for {
		err := r.frames.Read(&got)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if err != nil {
			t.Fatalf("the pipe does not end: %v", err)
		}
	}
}

func TestAnotherProcessAsksForCUDA(t *testing.T) {
	lib := fakenvml.New(t)
	for _, e := range lib.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case version := <-askCUDA(t.Context(), filepath.Join(lib.Dir, fakenvml.Name), program):
		if version != "12.4" {
			t.Errorf("the version is %q", version)
		}
	case <-time.After(cudaDeadline):
		t.Error("there is no answer")
	}
}

// Only a new process can load another driver's library. It keeps the number and
// the pipes of the one before.
func TestADriverThatIsLoadedLater(t *testing.T) {
	lib := fakenvml.New(t)
	lib.Say(t, "fail nvmlInit_v2 9")
	kmsg := filepath.Join(t.TempDir(), "kmsg")
	if err := os.WriteFile(kmsg, []byte("4,41,1,-;NVRM: Xid (PCI:0000:01:00): 13, pid=1, name=a, x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, command(t, lib, "--every", "5ms", "--log", kmsg, "--renew-after", "20ms"))
	events := 0
	count := func(got *gpu.Reading) { events += len(got.Events) }
	r.until(t, "no driver", func(got *gpu.Reading) bool { count(got); return got.State == gpu.NoDriver && got.LogSequence.V == 41 })
	lib.Say(t, "fail nvmlInit_v2 18")
	r.until(t, "a mismatch", func(got *gpu.Reading) bool { count(got); return got.State == gpu.VersionMismatch })
	lib.Say(t)
	r.until(t, "a driver", func(got *gpu.Reading) bool { count(got); return got.State == gpu.OK && len(got.Devices) == 1 })
	if events != 1 {
		t.Errorf("the event in the log was told %d times", events)
	}
	lib.Say(t, "fail nvmlDeviceGetCount_v2 18")
	r.until(t, "a driver that was replaced", func(got *gpu.Reading) bool { return got.State == gpu.VersionMismatch })
	lib.Say(t)
	r.until(t, "the new driver", func(got *gpu.Reading) bool { return got.State == gpu.OK })
}
