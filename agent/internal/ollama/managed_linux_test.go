package ollama

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
	"github.com/corral-fleet/corral/agent/internal/ollama/runlog"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire"
)

// managed runs a real Ollama with two models: "once" says the reply, "loop"
// never ends.
func managed(t *testing.T, c Config) (*subject, wire.Instance) {
	t.Helper()
	c.Mode, c.Bin, c.URL, c.DataDir = ModeManaged, realollama.Bin(t), "http://127.0.0.1:0", t.TempDir()
	s := supervise(t, c)
	i := s.awaitReady()
	createModel(t, s.url(), "once", tinymodel.Options{Reply: reply})
	createModel(t, s.url(), "loop", tinymodel.Options{Loop: true})
	return s, i
}

func TestManagedOllamaServes(t *testing.T) {
	s, first := managed(t, Config{})
	if first.Mode != "managed" || first.Version == "" || first.PID == 0 || first.StartedUnixMillis == 0 {
		t.Errorf("the snapshot is incomplete: %+v", first)
	}
	s.Refresh()
	i := s.await("listing its models", func(i wire.Instance) bool { return len(i.Models) == 2 })
	for _, m := range i.Models {
		if m.Digest == "" || m.SizeBytes == 0 || m.Format != "gguf" || m.Family != "llama" || m.Quantization != "F16" || m.ModifiedUnixMillis == 0 {
			t.Errorf("model %+v is incomplete", m)
		}
	}
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat = %q, want %q", got, reply)
	}
	i = s.await("listing what is loaded", func(i wire.Instance) bool { return len(i.Loaded) == 1 && i.Loaded[0].ExpiresUnixMillis > 0 })
	if l := i.Loaded[0]; l.Name != "once:latest" || l.SizeBytes == 0 || l.ContextLength == 0 {
		t.Errorf("loaded model %+v is incomplete", l)
	}
	if lines, _, err := s.Logs().Tail(5); err != nil || len(lines) != 5 {
		t.Errorf("the last five lines of output are %v, %v", lines, err)
	}

	runner := s.runner(i.PID)
	at := s.url()
	dir, _ := s.ModelsDir()
	partial := filepath.Join(dir, "blobs", "sha256-"+strings.Repeat("ab", 32)+"-partial")
	if err := os.WriteFile(partial, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatalf("Restart = %v", err)
	}
	if _, err := os.Stat(partial); err != nil {
		t.Errorf("what has come of a model is gone after a restart: %v", err)
	}
	awaitGone(t, runner.Process, 0)
	next := s.awaitNext(first)
	if next.RestartCount != 1 || len(next.Restarts) != 1 || next.Restarts[0].Cause != "requested" {
		t.Errorf("after a restart on request the history is %+v", next.Restarts)
	}
	if s.url() != at {
		t.Errorf("it serves at %s, before at %s", s.url(), at)
	}
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat after the restart = %q, want %q", got, reply)
	}

	s.stop()
	if err := <-s.result; err != nil {
		t.Errorf("Run = %v", err)
	}
	s.result <- nil
	if left := s.processes(); len(left) > 0 {
		t.Errorf("left after Run: %+v", left)
	}
	if _, ok := s.Endpoint(); ok || s.Snapshot().State != wire.InstanceStopped {
		t.Errorf("after Run there is an endpoint, %v, or it is %+v", ok, s.Snapshot())
	}
	if err := s.Restart(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Restart after Run = %v, want it unavailable", err)
	}
}

func TestStalledRunnerIsReplacedAndThenOllama(t *testing.T) {
	s, first := managed(t, Config{})
	stalled := s.relay("loop")
	runner := s.runner(first.PID)
	if err := runner.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	i := s.await("telling of the stall", func(i wire.Instance) bool { return i.RestartCount == 1 })
	if r := i.Restarts[0]; r.Cause != "generation_stalled" || i.PID != first.PID || i.State != wire.InstanceReady {
		t.Errorf("after the first stall: %+v", i)
	}
	awaitGone(t, runner.Process, 2*time.Second)
	<-stalled.ended
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat after the runner was replaced = %q, want %q", got, reply)
	}

	stalled = s.relay("loop")
	for _, r := range runnersOf(int(first.PID)) {
		if err := r.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	next := s.awaitNext(first)
	if next.RestartCount != 2 || next.Restarts[1].Cause != "generation_stalled" {
		t.Errorf("after the second stall: %+v", next)
	}
	<-stalled.ended
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat after Ollama was restarted = %q, want %q", got, reply)
	}
}

func TestStallsPastTheBudgetDegrade(t *testing.T) {
	s, first := managed(t, Config{Restarts: RestartPolicy{PerHour: map[Cause]int{CauseStalled: 0}}})
	s.relay("loop")
	runner := s.runner(first.PID)
	if err := runner.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	i := s.awaitState(wire.InstanceDegraded, "generation_stalled")
	if i.PID != first.PID || i.RestartCount != 0 {
		t.Errorf("it was restarted past its budget: %+v", i)
	}
	if _, ok := s.Endpoint(); !ok {
		t.Error("a degraded instance that answers has no endpoint")
	}
	if err := runner.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.awaitReady()
}

func TestIdleHungRunnerIsFoundByAProbe(t *testing.T) {
	s, first := managed(t, Config{
		Settings: Settings{KeepAlive: -1},
		Timing:   Timing{ProbeEvery: 50 * time.Millisecond, ProbeIdle: 50 * time.Millisecond, ProbeTimeout: time.Second},
	})
	if got := chat(t, s.url(), "once"); got != reply {
		t.Fatalf("chat = %q", got)
	}
	runner := s.runner(first.PID)
	for range 3 { // probes leave the model as it is
		before := probes(t, s)
		s.await("probed", func(wire.Instance) bool { return probes(t, s) > before })
	}
	if now := s.runner(first.PID); now.PID != runner.PID {
		t.Errorf("a probe replaced runner %d by %d", runner.PID, now.PID)
	}
	if l := s.Snapshot().Loaded; len(l) != 1 || time.Until(time.UnixMilli(l[0].ExpiresUnixMillis)) < forEver {
		t.Errorf("a probe changed how long the model stays: %+v", l)
	}
	if err := runner.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	i := s.await("telling of the stall", func(i wire.Instance) bool { return i.RestartCount == 1 })
	if i.Restarts[0].Cause != "generation_stalled" || i.PID != first.PID {
		t.Errorf("after the probe failed: %+v", i)
	}
	awaitGone(t, runner.Process, 2*time.Second)
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat after the runner was replaced = %q, want %q", got, reply)
	}
}

// probes counts the generations in Ollama's log.
func probes(t *testing.T, s *subject) int {
	t.Helper()
	lines, _, err := s.Logs().Tail(10000)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range lines {
		if strings.Contains(l.Text, `"/api/generate"`) {
			n++
		}
	}
	return n
}

func TestDeadOllamaIsReplacedAndNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		name  string
		hit   func(t *testing.T, s *subject, serve int)
		cause string
	}{
		{"serve stopped", func(t *testing.T, _ *subject, serve int) { signal(t, serve, unix.SIGSTOP) }, "api_unresponsive"},
		{"serve killed", func(t *testing.T, _ *subject, serve int) { signal(t, serve, unix.SIGKILL) }, "killed_by_signal"},
		{"keeper killed", func(t *testing.T, _ *subject, serve int) {
			p, err := procs.Read(serve)
			if err != nil {
				t.Fatal(err)
			}
			signal(t, p.Parent, unix.SIGKILL)
		}, "keeper_lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var timing Timing
			if c.cause == string(CauseUnresponsive) { // for what ends, a busy machine must not look like that
				timing.VersionTimeout = 200 * time.Millisecond
			}
			s, first := managed(t, Config{Timing: timing})
			s.relay("loop")
			before := s.processes()
			if len(before) != 3 {
				t.Fatalf("%d processes run, want the keeper, ollama and its runner: %+v", len(before), before)
			}
			hit := time.Now()
			c.hit(t, s, int(first.PID))
			next := s.awaitNext(first)
			for _, p := range before {
				awaitGone(t, p, 2*time.Second)
			}
			t.Logf("serving again %v after the fault", time.Since(hit).Round(time.Millisecond))
			if next.RestartCount != 1 || next.Restarts[0].Cause != c.cause {
				t.Errorf("restarts %+v, want one for %s", next.Restarts, c.cause)
			}
			if got := chat(t, s.url(), "once"); got != reply {
				t.Errorf("chat = %q, want %q", got, reply)
			}
		})
	}
}

func signal(t *testing.T, pid int, sig unix.Signal) {
	t.Helper()
	if err := unix.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

func TestNothingSurvivesTheKillOfTheAgent(t *testing.T) {
	bin, dir := realollama.Bin(t), t.TempDir()
	t.Setenv("HOME", t.TempDir())
	agent := exec.Command("/proc/self/exe", roleAgent, bin, dir)
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		agent.Process.Kill()
		agent.Wait()
	}
	t.Cleanup(kill)
	at, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + strings.TrimSpace(at)
	createModel(t, base, "once", tinymodel.Options{Reply: reply})
	if got := chat(t, base, "once"); got != reply {
		t.Fatalf("chat = %q", got)
	}
	s, err := New(Config{Instance: "default", DataDir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sub := &subject{Supervisor: s, t: t}
	before := sub.processes()
	if len(before) != 3 {
		t.Errorf("%d processes run, want the keeper, ollama and its runner: %+v", len(before), before)
	}
	killed := time.Now()
	kill()
	for _, p := range before {
		awaitGone(t, p, 2*time.Second)
	}
	t.Logf("all gone %v after the agent", time.Since(killed).Round(time.Millisecond))
}

func TestLeftoversOfThisInstanceAloneAreSwept(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Config{Instance: "default", DataDir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	orphan := func(owner string) procs.Process {
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.Env = []string{"CORRAL_OWNER=" + owner}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		p, err := procs.Read(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	mine, other := orphan(s.owner()), orphan("of-somebody-else")
	sub := supervise(t, Config{Mode: ModeManaged, Bin: realollama.Bin(t), URL: "http://127.0.0.1:0", DataDir: dir})
	sub.awaitReady()
	awaitGone(t, mine, 0)
	if p, err := procs.Read(other.PID); err != nil || !p.Running() {
		t.Errorf("the process of another owner is gone: %+v, %v", p, err)
	}
}

func TestTakenPortIsToldAndTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := supervise(t, Config{Mode: ModeManaged, Bin: realollama.Bin(t), URL: "http://" + l.Addr().String(), DataDir: t.TempDir()})
	i := s.awaitState(wire.InstanceFailed, "port_conflict")
	self, err := procs.Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%s (process %d)", self.Name, self.PID); !strings.Contains(i.Message, want) {
		t.Errorf("the message is %q, which does not name %s", i.Message, want)
	}
	if err := s.Restart(t.Context()); fault.KindOf(err) != fault.Unavailable || fault.MessageOf(err) != i.Message {
		t.Errorf("Restart = %v, want it unavailable with the reason", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if i := s.awaitReady(); i.RestartCount != 0 {
		t.Errorf("waiting for a port counts as %d restarts", i.RestartCount)
	}
}

func TestMissingProgramIsToldAndTriedAgain(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "ollama")
	s := supervise(t, Config{Mode: ModeManaged, Bin: bin, URL: "http://127.0.0.1:0", DataDir: filepath.Join(dir, "data")})
	i := s.awaitState(wire.InstanceFailed, "missing_binary")
	if !strings.Contains(i.Message, bin) {
		t.Errorf("the message is %q, which does not name %s", i.Message, bin)
	}
	if err := os.Symlink(realollama.Bin(t), bin); err != nil {
		t.Fatal(err)
	}
	s.awaitReady()
}

// script writes a program that stands in for an Ollama that can't be had: one
// that is broken.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ollama")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCrashLoopIsNamedAndHasLastWords(t *testing.T) {
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: script(t, "echo no such luck >&2; exit 3"), URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
		Restarts: RestartPolicy{LoopExits: 4, LoopDelay: time.Hour},
	})
	i := s.awaitState(wire.InstanceFailed, "crash_loop")
	if i.RestartCount != 4 || !strings.Contains(i.Message, "status 3") || strings.Count(i.Message, "no such luck") != 1 {
		t.Errorf("%d restarts, message %q; want 4, the status and the last words of one life", i.RestartCount, i.Message)
	}
	for _, r := range i.Restarts {
		if r.Cause != "exited" {
			t.Errorf("restart %+v, want the cause exited", r)
		}
	}
	if err := s.Restart(t.Context()); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Ollama {
		t.Errorf("Restart = %v, want it unavailable for Ollama's fault", err)
	}
}

func TestExitsPastTheBudgetStayDown(t *testing.T) {
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: script(t, "exit 0"), URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
		Restarts: RestartPolicy{LoopExits: 100, PerHour: map[Cause]int{CauseExited: 2}},
	})
	if i := s.awaitState(wire.InstanceFailed, "exited"); i.RestartCount != 3 {
		t.Errorf("%d ends, want three: two restarts and the end after them", i.RestartCount)
	}
}

func TestSilentStartTimesOut(t *testing.T) {
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: script(t, "sleep 1000"), URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
		Timing:   Timing{StartTimeout: 100 * time.Millisecond},
		Restarts: RestartPolicy{LoopExits: 2, LoopDelay: time.Hour},
	})
	i := s.awaitState(wire.InstanceFailed, "crash_loop")
	if i.Restarts[0].Cause != "start_timeout" {
		t.Errorf("restarts %+v, want the cause start_timeout", i.Restarts)
	}
}

func TestAnswerOfAnotherProgramIsNotOurs(t *testing.T) {
	at := freeAddress(t)
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: script(t, "echo up; sleep 1000"), URL: "http://" + at, DataDir: t.TempDir(),
		Timing:   Timing{StartTimeout: time.Second},
		Restarts: RestartPolicy{LoopExits: 1, LoopDelay: time.Hour},
	})
	started := errors.New("started")
	if err := s.Logs().Follow(t.Context(), runlog.Position{}, func(runlog.Line, bool) error { return started }); !errors.Is(err, started) {
		t.Fatal(err)
	}
	startFakeAt(t, at)
	i := s.awaitState(wire.InstanceFailed, "crash_loop")
	if i.Restarts[0].Cause != "start_timeout" {
		t.Errorf("restarts %+v, want the cause start_timeout", i.Restarts)
	}
}

func TestBrokenKeeperIsTold(t *testing.T) {
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: script(t, "exit 0"), Keeper: []string{"/bin/true"}, URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
	})
	s.awaitState(wire.InstanceFailed, "start_failed")
}

func TestFolderIsForOneSupervisor(t *testing.T) {
	dir := t.TempDir()
	s := supervise(t, Config{Mode: ModeManaged, Bin: "/nonexistent/ollama", URL: "http://127.0.0.1:0", DataDir: dir})
	s.awaitState(wire.InstanceFailed, "missing_binary")
	second, err := New(Config{Instance: "default", DataDir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(context.Background()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second Run = %v, want a conflict", err)
	}
}
