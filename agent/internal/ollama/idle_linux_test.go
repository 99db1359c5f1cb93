package ollama

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire"
)

// onlyIdle has a stall found by nothing but processes that compute nothing.
var onlyIdle = Stalls{FirstToken: time.Hour, Token: time.Hour, Idle: 400 * time.Millisecond}

func TestRunnerThatIsStoppedIsReplacedWithinItsIdleTime(t *testing.T) {
	s, first := managed(t, Config{Stalls: onlyIdle})
	stuck := s.relay("loop")
	runner := s.runner(first.PID)
	if err := runner.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	i := s.await("telling of the stall", func(i wire.Instance) bool { return i.RestartCount == 1 })
	if r := i.Restarts[0]; r.Cause != "generation_stalled" || i.PID != first.PID {
		t.Errorf("after the stall: %+v", i)
	}
	awaitGone(t, runner.Process, 2*time.Second)
	<-stuck.ended
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat after the runner was replaced = %q, want %q", got, reply)
	}
}

func TestWholeAnswerThatNobodyComputesIsFound(t *testing.T) {
	s, first := managed(t, Config{Stalls: onlyIdle})
	if got := chat(t, s.url(), "once"); got != reply {
		t.Fatalf("chat = %q", got)
	}
	if err := s.runner(first.PID).Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	g := s.Progress().BeginWhole()
	defer g.End(false)
	i := s.await("telling of the stall", func(i wire.Instance) bool { return i.RestartCount == 1 })
	if r := i.Restarts[0]; r.Cause != "generation_stalled" {
		t.Errorf("after the stall: %+v", i)
	}
}

// TestRequestThatOllamaLostIsFound has readers leave until Ollama leaves the next
// request unanswered, which 0.17 does about every tenth time.
func TestRequestThatOllamaLostIsFound(t *testing.T) {
	s, first := managed(t, Config{Stalls: onlyIdle})
	i := first
	for n := 0; n < 500 && i.RestartCount == 0; n++ {
		if r, err := s.begin("loop"); err == nil {
			r.leave()
		}
		i = s.Snapshot()
	}
	if i.RestartCount != 1 || i.Restarts[0].Cause != "generation_stalled" || i.PID != first.PID {
		t.Fatalf("after a request that was not answered: %+v", i)
	}
	if got := chat(t, s.url(), "once"); got != reply {
		t.Errorf("chat after the runner was replaced = %q, want %q", got, reply)
	}
}

// TestAttachedOllamaWhoseRunnerIsStopped wants it to stay out of use for as long
// as the runner is stopped, also when nobody waits for it any more.
func TestAttachedOllamaWhoseRunnerIsStopped(t *testing.T) {
	at := freeAddress(t)
	theirs := somebodyElses(t, at, t.TempDir())
	createModel(t, "http://"+at, "loop", tinymodel.Options{Loop: true})
	s := supervise(t, Config{Mode: ModeAttached, URL: "http://" + at, DataDir: t.TempDir(), Stalls: onlyIdle})
	first := s.awaitReady()
	stuck := s.relay("loop")
	runner := s.runner(uint32(theirs.Process.Pid))
	if err := runner.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.awaitState(wire.InstanceDegraded, "generation_stalled")
	stuck.leave()
	over := time.After(4 * s.cfg.Timing.StallHold)
	for waiting := true; waiting; {
		select {
		case <-s.Changed():
			if i := s.Snapshot(); i.State != wire.InstanceDegraded {
				t.Fatalf("while its runner is stopped: %+v", i)
			}
		case <-over:
			waiting = false
		}
	}
	if err := runner.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if i := s.awaitReady(); i.RestartCount != first.RestartCount {
		t.Errorf("it was restarted: %+v", i)
	}
}

// TestReaderThatTakesNothingIsNoStall has a reader stop reading until nothing
// moves any more, in Ollama neither.
func TestReaderThatTakesNothingIsNoStall(t *testing.T) {
	s, first := managed(t, Config{Stalls: onlyIdle})
	slow := post(t, s.url()+"/api/chat", map[string]any{
		"model": "loop", "options": map[string]any{"num_predict": -1},
		"messages": []map[string]string{{"role": "user", "content": "Go on."}},
	})
	g := s.Progress().Begin()
	defer g.End(false)
	piece := make([]byte, 100)
	if _, err := slow.Body.Read(piece); err != nil {
		t.Fatal(err)
	}
	g.Deliver()
	runner := s.runner(first.PID)
	if err := runner.Signal(unix.SIGSTOP); err != nil { // as still as if all buffers were full
		t.Fatal(err)
	}
	s.staysReady(first, 4*onlyIdle.Idle)
	g.Advance()
	s.await("telling of the stall", func(i wire.Instance) bool { return i.RestartCount == 1 })
}

// playOllama serves as an Ollama with one loaded model and one runner, which does
// nothing, until its standard input ends. What the runner says of its health is
// for others to serve, at its port.
func playOllama(at, tags, runnerPort string) int {
	dir, err := os.MkdirTemp("", "runner")
	if err != nil {
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "runner"), []byte("read end\n"), 0o600); err != nil {
		return 1
	}
	runner := exec.Command("/bin/sh", "runner", "--port", runnerPort)
	runner.Dir = dir
	runner.Stdin = os.Stdin
	if err := runner.Start(); err != nil {
		return 1
	}
	answers := map[string]string{
		"/api/version": `{"version":"9"}`, "/api/tags": tags,
		"/api/ps": `{"models":[{"name":"m","digest":"d"}]}`,
	}
	server := &http.Server{Addr: at, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answers[r.URL.Path]) })}
	go func() {
		runner.Wait()
		server.Close()
	}()
	server.ListenAndServe()
	return 0
}

// fakeWithRunner starts what [playOllama] plays and returns its address.
func fakeWithRunner(t *testing.T, tags, runnerPort string) (at string) {
	t.Helper()
	at = freeAddress(t)
	cmd := exec.Command(os.Args[0], roleOllama, at, tags, runnerPort)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	awaitAnswer(t, at)
	return at
}

func TestRunnerThatIsAtRestForAReasonIsLeftAlone(t *testing.T) {
	health := func(answer string) func(t *testing.T) string {
		return func(t *testing.T) string {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
			t.Cleanup(server.Close)
			return fmt.Sprint(server.Listener.Addr().(*net.TCPAddr).Port)
		}
	}
	for _, c := range []struct {
		name  string
		port  func(t *testing.T) string
		tags  string
		stuck bool
	}{
		{"ready", health(`{"status":0}`), `{}`, true},
		{"loading", health(`{"status":3,"progress":0.2}`), `{}`, false},
		{"launched", health(`{"status":2}`), `{}`, false},
		{"not listening yet", func(t *testing.T) string {
			_, port, _ := net.SplitHostPort(freeAddress(t))
			return port
		}, `{}`, false},
		{"beside models that another machine runs", health(`{"status":0}`), `{"models":[{"name":"far:cloud","remote_host":"https://example.com"}]}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := fakeWithRunner(t, c.tags, c.port(t))
			s := supervise(t, Config{Mode: ModeAttached, URL: "http://" + at, DataDir: t.TempDir(), Stalls: onlyIdle})
			first := s.await("listing its models", func(i wire.Instance) bool {
				return i.State == wire.InstanceReady && i.ModelsKnown && len(i.Loaded) == 1
			})
			g := s.Progress().Begin()
			defer g.End(false)
			if c.stuck {
				s.awaitState(wire.InstanceDegraded, "generation_stalled")
				return
			}
			s.staysReady(first, 4*onlyIdle.Idle)
		})
	}
}

func TestIdlenessEndsWithWork(t *testing.T) {
	serve := procs.Process{PID: 1, Start: 1}
	one, other := processID{2, 1}, processID{3, 1}
	rest := procs.Activity{CPU: time.Minute, Faults: 5, Read: 1 << 30, Resident: 1000}
	with := func(change func(a *procs.Activity)) procs.Activity {
		a := rest
		change(&a)
		return a
	}
	before := map[processID]procs.Activity{idOf(serve): rest, one: rest}
	for _, c := range []struct {
		name string
		now  map[processID]procs.Activity
		want bool
	}{
		{"nothing", map[processID]procs.Activity{idOf(serve): rest, one: rest}, true},
		{"timers", map[processID]procs.Activity{idOf(serve): rest, one: with(func(a *procs.Activity) { a.CPU += 20 * time.Millisecond })}, true},
		{"computing", map[processID]procs.Activity{idOf(serve): rest, one: with(func(a *procs.Activity) { a.CPU += 30 * time.Millisecond })}, false},
		{"faults", map[processID]procs.Activity{idOf(serve): rest, one: with(func(a *procs.Activity) { a.Faults++ })}, false},
		{"reading", map[processID]procs.Activity{idOf(serve): rest, one: with(func(a *procs.Activity) { a.Read += 4096 })}, false},
		{"growing", map[processID]procs.Activity{idOf(serve): rest, one: with(func(a *procs.Activity) { a.Resident += 300 })}, false},
		{"lists by serve", map[processID]procs.Activity{idOf(serve): with(func(a *procs.Activity) { a.CPU += 300 * time.Millisecond; a.Resident += 300 }), one: rest}, true},
		{"work of serve", map[processID]procs.Activity{idOf(serve): with(func(a *procs.Activity) { a.CPU += time.Second }), one: rest}, false},
		{"reading of serve", map[processID]procs.Activity{idOf(serve): with(func(a *procs.Activity) { a.Read += 4096 }), one: rest}, false},
		{"another runner", map[processID]procs.Activity{idOf(serve): rest, other: rest}, false},
		{"one more", map[processID]procs.Activity{idOf(serve): rest, one: rest, other: rest}, false},
		{"one less", map[processID]procs.Activity{idOf(serve): rest}, false},
	} {
		i := idleness{since: before}
		if got := i.goesOn(serve, c.now); got != c.want {
			t.Errorf("after %s it goes on: %v, want %v", c.name, got, c.want)
		}
	}
	waits := idleness{now: map[processID]procs.Activity{one: rest, other: with(func(a *procs.Activity) { a.Busy = true })}}
	if !waits.busy() {
		t.Error("a runner that waits for a disk is at rest")
	}
}
