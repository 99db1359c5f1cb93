package ollama

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/ollama/systemd"
	"github.com/corral-fleet/corral/agent/internal/ollama/systemd/systemdtest"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// unitConfig is of an instance that is a unit of a played systemd, and answers as
// a played Ollama of this very process.
func unitConfig(t *testing.T, bus *systemdtest.Systemd) Config {
	t.Helper()
	fake := startFake(t)
	at, err := url.Parse(fake.URL)
	if err != nil {
		t.Fatal(err)
	}
	journalctl := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(journalctl, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := Config{
		Mode: ModeSystemd, URL: "http://" + at.Host, DataDir: t.TempDir(),
		Unit: systemd.Unit{Name: "played.service", Bus: bus.Address, Journalctl: journalctl, Poll: 50 * time.Millisecond},
	}
	bus.Set(map[string]any{"EnvironmentFiles": []struct {
		Path     string
		Optional bool
	}{{filepath.Join(c.DataDir, envFile), true}}})
	return c
}

// The states of a unit, as systemd has them.
func running() map[string]any {
	return map[string]any{
		"ActiveState": "active", "SubState": "running", "Result": "success", "MainPID": uint32(os.Getpid()),
		"ExecMainStartTimestamp": uint64(time.Now().UnixMicro()), "InvocationID": []byte(rand.Text()),
	}
}

func ended(active, sub, result string, status int32) map[string]any {
	return map[string]any{"ActiveState": active, "SubState": sub, "Result": result, "MainPID": uint32(0), "ExecMainStatus": status}
}

// obeying has a systemd do what it is told.
func obeying(bus *systemdtest.Systemd) {
	bus.OnJob(func(verb string) {
		if verb == "restart" {
			bus.Set(ended("deactivating", "stop-sigterm", "success", 0))
			time.Sleep(100 * time.Millisecond) // in which it is seen
		}
		bus.Set(running())
	})
}

// end ends the agent's part, and wants that to go well.
func (s *subject) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.result; err != nil {
		s.t.Error(err)
	}
}

func TestUnitIsStartedWatchedAndRestarted(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	c := unitConfig(t, bus)
	c.Settings.NumParallel = 2
	s := supervise(t, c)
	first := s.awaitReady()
	if diff := cmp.Diff([]string{"start"}, bus.Jobs()); diff != "" {
		t.Errorf("systemd was told: %s", diff)
	}
	if u := first.Unit; first.Mode != "systemd" || int(first.PID) != os.Getpid() || u.Name != "played.service" || u.ActiveState != "active" || u.SubState != "running" {
		t.Errorf("the instance is %+v", first)
	}
	env, err := os.ReadFile(filepath.Join(s.cfg.DataDir, envFile))
	if want := "OLLAMA_NUM_PARALLEL=\"2\"\n"; err != nil || !strings.Contains(string(env), want) || !strings.Contains(string(env), "OLLAMA_HOST=\"127.0.0.1:") {
		t.Errorf("it is told\n%s%v", env, err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Error(err)
	}
	if i := s.Snapshot(); i.RestartCount != 1 || i.Restarts[0].Cause != "requested" || i.State != wire.InstanceReady {
		t.Errorf("after a restart it is %+v", i)
	}
	s.end()
	if slices.Contains(bus.Jobs(), "stop") {
		t.Error("it is stopped with the agent")
	}
}

func TestUnitThatRunsIsLeftAsItIs(t *testing.T) {
	bus := systemdtest.Start(t)
	bus.Set(running())
	s := supervise(t, unitConfig(t, bus))
	s.await("ready", func(i wire.Instance) bool { return i.State == wire.InstanceReady })
	if jobs := bus.Jobs(); len(jobs) != 0 {
		t.Errorf("systemd was told %q", jobs)
	}
}

func TestUnitThatSystemdDoesNotRun(t *testing.T) {
	for _, test := range []struct {
		name          string
		prepare       func(*systemdtest.Systemd)
		state, reason string
		words         string
		kind          fault.Kind // of a restart that is asked for
	}{
		{"polkit refuses", func(b *systemdtest.Systemd) { b.Refuse(systemdtest.AccessDenied) }, "failed", "forbidden", "may not manage", fault.Forbidden},
		{"there is none", func(b *systemdtest.Systemd) {
			b.Set(map[string]any{"LoadState": "not-found"})
			b.Refuse(systemdtest.NoSuchUnit)
		}, "failed", "missing_unit", "make install", fault.NotFound},
		{"it is masked", func(b *systemdtest.Systemd) {
			b.Set(map[string]any{"LoadState": "masked"})
			b.Refuse(systemdtest.UnitMasked)
		}, "failed", "missing_unit", "unmask", fault.Conflict},
		{"its job fails", func(b *systemdtest.Systemd) { b.Result("failed") }, "failed", "start_failed", "it failed", fault.Unavailable},
		{"its job takes too long", func(b *systemdtest.Systemd) { b.Result(systemdtest.Never) }, "failed", "start_failed", "still busy", fault.Timeout},
		{"there is no program", func(b *systemdtest.Systemd) { b.Set(ended("activating", "auto-restart", "exit-code", 203)) }, "failed", "missing_binary", "install Ollama", fault.Unavailable},
		{"the bus is away", func(b *systemdtest.Systemd) { b.End() }, "failed", "no_systemd", "bus can't be reached", fault.Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			bus := systemdtest.Start(t)
			c := unitConfig(t, bus)
			c.Timing.JobTimeout = 300 * time.Millisecond
			test.prepare(bus)
			s := supervise(t, c)
			if i := s.awaitState(test.state, test.reason); !strings.Contains(i.Message, test.words) {
				t.Errorf("it says %q", i.Message)
			}
			time.Sleep(3 * c.Unit.Poll) // in which it is looked at again
			s.awaitState(test.state, test.reason)
			if err := s.Restart(t.Context()); fault.KindOf(err) != test.kind || !strings.Contains(fault.MessageOf(err), test.words) {
				t.Errorf("a restart = %v of kind %v", err, fault.KindOf(err))
			}
			if test.name == "the bus is away" {
				bus.Begin()
			}
			bus.Refuse("")
			bus.Result("done")
			obeying(bus)
			bus.Set(map[string]any{"LoadState": "loaded"})
			if err := s.Restart(t.Context()); err != nil {
				t.Errorf("once that is mended, a restart = %v", err)
			}
			s.awaitReady()
		})
	}
}

func TestUnitThatEndsByItself(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	s := supervise(t, unitConfig(t, bus))
	s.awaitReady()
	over := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			if i := s.Snapshot(); i.State == wire.InstanceReady && i.PID == 0 {
				t.Errorf("it is ready without a process: %+v", i)
				return
			}
		}
	})
	defer looking.Wait()
	defer close(over)
	for n, end := range []struct {
		result string
		status int32
		cause  string
	}{{"exit-code", 1, "exited"}, {"signal", 9, "killed_by_signal"}, {"oom-kill", 9, "killed_by_signal"}, {"exit-code", 3, "exited"}} {
		bus.Set(ended("activating", "auto-restart", end.result, end.status))
		s.awaitState(wire.InstanceStopped, end.cause)
		bus.Set(running())
		i := s.awaitReady()
		if last := i.Restarts[len(i.Restarts)-1]; int(i.RestartCount) != n+1 || last.Cause != end.cause {
			t.Errorf("after %s, restarts are %d, the last one %+v", end.result, i.RestartCount, last)
		}
	}
	bus.Set(ended("activating", "auto-restart", "exit-code", 1))
	if i := s.awaitState(wire.InstanceFailed, ReasonCrashLoop); !strings.Contains(i.Message, "5 times") {
		t.Errorf("it says %q", i.Message)
	}
	if jobs := bus.Jobs(); len(jobs) != 1 {
		t.Errorf("systemd was told %q, though it starts it by itself", jobs)
	}
}

func TestUnitThatSomebodyStops(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	s := supervise(t, unitConfig(t, bus))
	s.awaitReady()
	bus.Set(ended("inactive", "dead", "success", 0))
	s.awaitState(wire.InstanceStopped, ReasonUnitStopped)
	bus.Set(running())
	i := s.awaitReady()
	if len(bus.Jobs()) != 1 || i.RestartCount != 1 || i.Restarts[0].Message != "Somebody restarted its unit." {
		t.Errorf("systemd was told %q, the restarts are %+v", bus.Jobs(), i.Restarts)
	}
}

func TestOllamaServesWhileTheBusIsAway(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	s := supervise(t, unitConfig(t, bus))
	s.awaitReady()
	bus.End()
	if err := s.Restart(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a restart = %v", err)
	}
	if i := s.Snapshot(); i.State != wire.InstanceReady {
		t.Errorf("it is %s: %s", i.State, i.Message)
	}
	if _, ok := s.Endpoint(); !ok {
		t.Error("nothing is sent to it")
	}
	bus.Begin()
	if err := s.Restart(t.Context()); err != nil {
		t.Errorf("once the bus is back, a restart = %v", err)
	}
}

func TestSettingsOfAUnitWaitForItsNextStart(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	c := unitConfig(t, bus)
	c.Settings.ContextLength = 8192
	s := supervise(t, c)
	s.awaitReady()
	s.end()

	c.Settings.ContextLength, c.Settings.NumParallel = 4096, 3
	time.Sleep(10 * time.Millisecond) // files' times are not exact
	again := supervise(t, c)
	i := again.awaitState(wire.InstanceReady, ReasonSettingsPending)
	if want := "A restart would change OLLAMA_CONTEXT_LENGTH from 8192 to 4096, OLLAMA_NUM_PARALLEL to 3."; i.Message != want {
		t.Errorf("it says %q, want %q", i.Message, want)
	}
	if err := again.Restart(t.Context()); err != nil {
		t.Error(err)
	}
	again.awaitReady()
}

func TestUnitThatReadsNoSettings(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	c := unitConfig(t, bus)
	bus.Set(map[string]any{"EnvironmentFiles": []struct {
		Path     string
		Optional bool
	}{}})
	if i := supervise(t, c).awaitState(wire.InstanceReady, ReasonSettingsLost); !strings.Contains(i.Message, c.DataDir) {
		t.Errorf("it says %q", i.Message)
	}
}

func TestOutputOfAUnitGoesOnWhereItWas(t *testing.T) {
	bus := systemdtest.Start(t)
	obeying(bus)
	c := unitConfig(t, bus)
	entries := func(cursors ...string) {
		text := "#!/bin/sh\necho \"$@\" > " + c.DataDir + "/args\ncat <<'X'\n"
		for _, cursor := range cursors {
			text += fmt.Sprintf(`{"__CURSOR":%q,"MESSAGE":"at %s","_SYSTEMD_INVOCATION_ID":"%c"}`+"\n", cursor, cursor, cursor[0])
		}
		text += "X\nexec sleep 1000\n"
		if err := os.WriteFile(c.Unit.Journalctl, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	await := func(s *subject, want ...string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			lines, _, err := s.Logs().Tail(10)
			var got []string
			for _, l := range lines {
				got = append(got, l.Text)
			}
			if diff := cmp.Diff(want, got); err == nil && diff == "" {
				return
			} else if time.Now().After(end) {
				t.Fatalf("the output: %v\n%s", err, diff)
			}
		}
	}
	entries("a1", "a2", "b1")
	s := supervise(t, c)
	await(s, "at a1", "at a2", "at b1")
	s.end()
	entries("b2")
	again := supervise(t, c)
	await(again, "at a1", "at a2", "at b1", "at b2")
	args, err := os.ReadFile(filepath.Join(c.DataDir, "args"))
	if err != nil || !strings.Contains(string(args), "--after-cursor=b1") {
		t.Errorf("the journal is read with %s, %v", args, err)
	}
}

func TestAutoUsesAUnitOfOurs(t *testing.T) {
	bus := systemdtest.Start(t)
	c := quick(unitConfig(t, bus))
	c.Mode, c.Service = ModeAuto, true
	nobody := c
	nobody.URL = "http://" + freeAddress(t)
	decide := func(c Config) Mode {
		t.Helper()
		s, err := New(c, testLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		return s.decide(t.Context())
	}
	for _, test := range []struct {
		name   string
		unit   map[string]any
		config Config
		want   Mode
	}{
		{"it runs", running(), c, ModeSystemd},
		{"it does not run, and somebody else's answers", ended("inactive", "dead", "success", 0), c, ModeAttached},
		{"it does not run, and nobody answers", ended("inactive", "dead", "success", 0), nobody, ModeSystemd},
		{"there is none", map[string]any{"LoadState": "not-found"}, nobody, ModeManaged},
	} {
		bus.Set(test.unit)
		if got := decide(test.config); got != test.want {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	bus.Set(map[string]any{"LoadState": "loaded"})
	nobody.Service = false
	if got := decide(nobody); got != ModeManaged {
		t.Errorf("an agent that is no service: %s", got)
	}
	nobody.Service = true
	bus.End()
	if got := decide(nobody); got != ModeManaged {
		t.Errorf("without a bus: %s", got)
	}
	bus.Begin()
}
