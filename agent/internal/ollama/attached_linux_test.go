package ollama

import (
	"net"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire"
)

// somebodyElses starts an Ollama that is not ours.
func somebodyElses(t *testing.T, at, models string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(realollama.Bin(t), "serve")
	cmd.Env = append(env, "HOME="+models, "OLLAMA_HOST="+at, "OLLAMA_MODELS="+models)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range runnersOf(cmd.Process.Pid) {
			_ = r.kill() // it may be gone by itself
		}
		cmd.Process.Kill()
		cmd.Wait()
	})
	awaitAnswer(t, at)
	return cmd
}

// awaitAnswer waits until an Ollama answers.
func awaitAnswer(t *testing.T, at string) {
	t.Helper()
	c := newClient(at)
	defer c.close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := c.version(t.Context()); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAttachedOllamaIsWatchedAndNeverTouched(t *testing.T) {
	at := freeAddress(t)
	theirs := somebodyElses(t, at, t.TempDir())
	createModel(t, "http://"+at, "loop", tinymodel.Options{Loop: true})
	s := supervise(t, Config{Mode: ModeAuto, Bin: "/nonexistent/ollama", URL: "http://" + at, DataDir: t.TempDir()})
	i := s.await("listing its models", func(i wire.Instance) bool { return i.State == wire.InstanceReady && len(i.Models) == 1 })
	if i.Mode != "attached" || i.PID != 0 || i.Version == "" {
		t.Errorf("the snapshot is %+v", i)
	}
	if err := s.Restart(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Restart = %v, want a conflict", err)
	}

	s.relay("loop")
	runner := s.runner(uint32(theirs.Process.Pid))
	if err := runner.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.awaitState(wire.InstanceDegraded, "generation_stalled")
	if err := runner.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.awaitReady()

	s.stop()
	if err := <-s.result; err != nil {
		t.Errorf("Run = %v", err)
	}
	s.result <- nil
	if now := s.runner(uint32(theirs.Process.Pid)); now.PID != runner.PID {
		t.Errorf("runner %d was replaced by %d", runner.PID, now.PID)
	}
	c := newClient(at)
	defer c.close()
	if _, err := c.version(t.Context()); err != nil {
		t.Errorf("after Run the attached Ollama does not answer: %v", err)
	}
}

func TestAttachedOllamaThatHangsOrGoesAndComesBack(t *testing.T) {
	at, models := freeAddress(t), t.TempDir()
	theirs := somebodyElses(t, at, models)
	s := supervise(t, Config{
		Mode: ModeAttached, URL: "http://" + at, DataDir: t.TempDir(),
		Timing: Timing{VersionTimeout: 200 * time.Millisecond},
	})
	s.awaitReady()
	signal(t, theirs.Process.Pid, unix.SIGSTOP)
	s.awaitState(wire.InstanceDegraded, "api_unresponsive")
	if at, ok := s.Endpoint(); ok {
		t.Errorf("while it hangs there is the endpoint %s", at)
	}
	signal(t, theirs.Process.Pid, unix.SIGCONT)
	s.awaitReady()
	signal(t, theirs.Process.Pid, unix.SIGKILL)
	if i := s.awaitState(wire.InstanceStopped, "unreachable"); i.ModelsKnown || i.Version != "" {
		t.Errorf("what was known of it is still told: %+v", i)
	}
	somebodyElses(t, at, models)
	s.await("ready with its models", func(i wire.Instance) bool { return i.State == wire.InstanceReady })
}

func TestAutoWithoutAnOllamaRunsOne(t *testing.T) {
	s := supervise(t, Config{Mode: ModeAuto, Bin: realollama.Bin(t), URL: "http://" + freeAddress(t), DataDir: t.TempDir()})
	if i := s.awaitReady(); i.Mode != "managed" || i.PID == 0 {
		t.Errorf("the snapshot is %+v", i)
	}
}
