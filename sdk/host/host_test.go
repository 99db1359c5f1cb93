package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// role is the variable that has the test's own program be another one.
const role = "HOST_TEST_ROLE"

func TestMain(m *testing.M) {
	switch which := os.Getenv(role); which {
	case "":
		os.Exit(m.Run())
	case "host":
		os.Exit(hostUntilKilled())
	default:
		os.Exit(pluginAs(which))
	}
}

// TestContract has the whole contract hold across a real process, by either way that
// bytes can take.
func TestContract(t *testing.T) {
	for _, messages := range []bool{false, true} {
		t.Run(fmt.Sprintf("messages=%v", messages), func(t *testing.T) {
			p, log := program(t, "plugin")
			p.NoDataSocket = messages
			running := started(t, p, log)
			storagetest.Run(t, func(t *testing.T) storage.Backend { return storageOf(t, running) })
		})
	}
}

// Who waits for the bytes of a plugin that is killed, or sends it some, learns of it at
// once.
func TestADeathInTheMiddleOfATransferIsSeenAtOnce(t *testing.T) {
	for _, messages := range []bool{false, true} {
		for _, frozen := range []bool{false, true} {
			t.Run(fmt.Sprintf("messages=%v,frozen=%v", messages, frozen), func(t *testing.T) {
				p, log := program(t, "plugin")
				p.NoDataSocket = messages
				running := started(t, p, log)
				s := storageOf(t, running)
				if err := s.Put(t.Context(), "k", storage.Bytes(make([]byte, 64<<20))); err != nil {
					t.Fatal(err)
				}
				in, err := s.Get(t.Context(), "k", storage.Range{})
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				if _, err := io.ReadFull(in, make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
				if frozen {
					if err := syscall.Kill(running.PID(), syscall.SIGSTOP); err != nil {
						t.Fatal(err)
					}
				}
				src := &flowing{flows: make(chan struct{})}
				putting := make(chan error, 1)
				if !frozen { // one that is can't even begin
					go func() { putting <- s.Put(t.Context(), "other", storage.Once(src, -1)) }()
					<-src.flows
				}
				if err := syscall.Kill(running.PID(), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if n, err := io.Copy(io.Discard, in); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin {
					t.Errorf("a download: %d bytes, %v", n, err)
				}
				if !frozen {
					if err := <-putting; fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin {
						t.Errorf("an upload: %v", err)
					}
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// flowing is a source without an end.
type flowing struct {
	flows chan struct{} // closed when 8 MiB were read
	read  int
}

func (f *flowing) Read(p []byte) (int, error) {
	before := f.read
	f.read += len(p)
	if before < 8<<20 && f.read >= 8<<20 {
		close(f.flows)
	}
	return len(p), nil
}

func TestInstancesAreApart(t *testing.T) {
	running, _ := start(t, "plugin")
	a, b := storageOf(t, running), storageOf(t, running)
	if err := a.Put(t.Context(), "k", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the other one: %v", err)
	}
	if err := a.CloseInstance(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := a.Stat(t.Context(), "k"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after its end: %v", err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	running, log := start(t, "plugin")
	for name, c := range map[string]struct {
		json    string
		secrets map[string]string
		field   string
		kind    fault.Kind
	}{
		"fine":         {`{"max_bytes": 7}`, map[string]string{"password": "canary-1234"}, "", fault.None},
		"nothing set":  {``, nil, "", fault.None},
		"unknown":      {`{"max_byte": 7}`, nil, "max_byte", fault.None},
		"another type": {`{"max_bytes": "seven"}`, nil, "max_bytes", fault.None},
		"invalid":      {`{"max_bytes": -1}`, nil, "max_bytes", fault.None},
		"refused":      {`{}`, map[string]string{"password": "wrong"}, "", fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			config := host.Configuration{JSON: []byte(c.json), Secrets: c.secrets}
			faults, err := running.Check(t.Context(), config, true)
			if fault.KindOf(err) != c.kind || c.kind != fault.None && fault.SideOf(err) != fault.Service {
				t.Errorf("%v", err)
			}
			if (c.field != "") != (len(faults) == 1) || c.field != "" && faults[0].Field != c.field {
				t.Errorf("%+v, want one of %q", faults, c.field)
			}
			_, err = running.OpenStorage(t.Context(), config)
			if want := c.kind; c.field != "" && fault.KindOf(err) != fault.Invalid || c.field == "" && fault.KindOf(err) != want {
				t.Errorf("Open: %v", err)
			}
		})
	}
	if strings.Contains(log.String(), "canary-1234") {
		t.Error("a secret is logged")
	}
}

func TestWhatAPluginPrintsHarmsNobody(t *testing.T) {
	for which, want := range map[string]string{"prints before": "hello", "bad log": "a fine line: key=value"} {
		t.Run(which, func(t *testing.T) {
			running, log := start(t, which)
			log.await(t, want)
			s := storageOf(t, running)
			for range 3 {
				if _, err := s.Stat(t.Context(), "print"); fault.KindOf(err) != fault.NotFound {
					t.Fatal(err)
				}
			}
			log.await(t, "printed to stdout")
			if n := len(log.String()); n > 1<<20 {
				t.Errorf("%d bytes were logged", n)
			}
		})
	}
}

func TestAPanicIsOneCallsFailure(t *testing.T) {
	running, log := start(t, "plugin")
	s := storageOf(t, running)
	if _, err := s.Stat(t.Context(), "panic"); fault.KindOf(err) != fault.Internal || fault.SideOf(err) != fault.Plugin {
		t.Errorf("%v", err)
	}
	log.await(t, "a call panicked")
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestADeathIsToldAsWhatItWas(t *testing.T) {
	for key, want := range map[string]string{"exit": "exit status 7, and its last line was \"the last word\"", "kill": "signal: killed"} {
		t.Run(key, func(t *testing.T) {
			running, _ := start(t, "plugin")
			s := storageOf(t, running)
			if _, err := s.Stat(t.Context(), key); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin {
				t.Errorf("the call: %v", err)
			}
			if e := running.Exit(); e.Clean || !strings.HasPrefix(e.String(), want) {
				t.Errorf("%s, clean %v", e, e.Clean)
			}
			if _, err := s.Stat(t.Context(), "k"); fault.KindOf(err) != fault.Unavailable {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

func TestAPluginThatDoesNotGetReadyIsExplained(t *testing.T) {
	for which, want := range map[string]string{"exits": "I can't work like this", "silent": "", "no handshake": ""} {
		t.Run(which, func(t *testing.T) {
			p, _ := program(t, which)
			if which == "silent" {
				p.StartTimeout = 500 * time.Millisecond
			}
			began := time.Now()
			_, err := host.Start(t.Context(), p)
			if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Plugin || !strings.Contains(fault.MessageOf(err), want) {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if exit, ok := host.ExitOf(err); !ok || exit.How == "" || exit.Killed {
				t.Errorf("its end is told as %+v, %v", exit, ok)
			}
		})
	}
}

func TestWhoGivesUpAStartEndsIt(t *testing.T) {
	p, _ := program(t, "silent")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if _, err := host.Start(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestOnlyTheTrustedProgramIsRun(t *testing.T) {
	p, _ := program(t, "plugin")
	p.SHA256 = strings.Repeat("0", 64)
	if _, err := host.Start(t.Context(), p); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("another digest: %v", err)
	}
	p.Path = filepath.Join(t.TempDir(), "absent")
	if _, err := host.Start(t.Context(), p); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no program: %v", err)
	}
}

func TestRunDirectoriesAreLookedAt(t *testing.T) {
	p, _ := program(t, "plugin")
	p.RunDir = filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if _, err := host.Start(t.Context(), p); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long one: %v", err)
	}
	p.RunDir = "/tmp"
	if _, err := host.Start(t.Context(), p); fault.KindOf(err) != fault.Invalid {
		t.Errorf("one that others can enter: %v", err)
	}
}

func TestAPluginHasNothingOfItsHosts(t *testing.T) {
	t.Setenv("A_SECRET_OF_THE_HOST", "canary")
	running, _ := start(t, "plugin")
	s := storageOf(t, running)
	env, err := s.Stat(t.Context(), "env")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(env.Key, "\n") {
		name, _, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, "PLUGIN_") && name != "CORRAL_PLUGIN" && name != role && !strings.HasPrefix(line, " ") && strings.Contains(line, "=") &&
			!strings.HasSuffix(line, "=") && !strings.HasSuffix(line, "==") {
			t.Errorf("its environment has %q", line)
		}
	}
	if strings.Contains(env.Key, "canary") {
		t.Error("its environment has a secret of the host")
	}
	if in, err := s.Stat(t.Context(), "stdin"); err != nil || !strings.HasPrefix(in.Key, "pipe:") {
		t.Errorf("its stdin is %q, %v", in.Key, err)
	}
}

func TestStopEndsWhatDoesNotEnd(t *testing.T) {
	t.Run("by itself", func(t *testing.T) {
		running, _ := start(t, "plugin")
		began := time.Now()
		running.Stop()
		if e := running.Exit(); !e.Clean || e.How != "exit status 0" || time.Since(began) > 4*time.Second {
			t.Errorf("%s after %v", e, time.Since(began))
		}
	})
	t.Run("slow to end", func(t *testing.T) {
		p, _ := program(t, "slow to end")
		p.StopTimeout = 300 * time.Millisecond
		running, err := host.Start(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		running.Stop()
		if e := running.Exit(); !e.Clean || e.How != "signal: killed" {
			t.Errorf("%s, clean %v", e, e.Clean)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		p, _ := program(t, "plugin")
		p.StopTimeout = 300 * time.Millisecond
		running, err := host.Start(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(running.PID(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		running.Stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("with a child that holds its pipes", func(t *testing.T) {
		running, log := start(t, "leaves a child")
		log.await(t, "child ")
		_, after, _ := strings.Cut(log.String(), "child ")
		child, err := strconv.Atoi(strings.Fields(after)[0])
		if err != nil {
			t.Fatal(err)
		}
		running.Stop()
		for end := time.Now().Add(10 * time.Second); alive(child); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("its child lives on")
			}
		}
	})
}

// alive reports whether a process runs.
func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(state), ") ")
	return !strings.HasPrefix(after, "Z")
}

// hostUntilKilled is a host that starts a plugin and prints its id.
func hostUntilKilled() int {
	os.Unsetenv(role)
	run, err := os.MkdirTemp("", "run")
	if err != nil {
		return 1
	}
	fmt.Println(run)
	self, _ := os.Executable()
	sum, _ := host.Digest(self)
	running, err := host.Start(context.Background(), host.Program{
		Path: self, SHA256: sum, RunDir: run, Env: []string{role + "=plugin"}, Log: hclog.NewNullLogger(),
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(running.PID())
	select {}
}

// A plugin that is frozen can't see that its host is gone.
func TestNoPluginOutlivesItsHost(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), role+"=host")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var run string
		var pid int
		if _, err := fmt.Fscan(out, &run, &pid); err != nil {
			rest, _ := io.ReadAll(out)
			t.Fatalf("%v, %s", err, rest)
		}
		defer os.RemoveAll(run)
		if frozen {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the plugin lives on (frozen: %v)", frozen)
			}
		}
	}
}
