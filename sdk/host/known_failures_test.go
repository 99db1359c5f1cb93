package host_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
)

// go-plugin puts sockets into /tmp where it is left alone, and a broker makes further
// ones. There is one for calls, and one for the bytes of objects.
func TestAPluginsSocketsAreWhereTheyShouldBe(t *testing.T) {
	p, _ := program(t, "plugin")
	running, err := host.Start(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	storageOf(t, running)
	var sockets []string
	err = filepath.WalkDir(p.RunDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type() == os.ModeSocket {
			sockets = append(sockets, path)
		}
		return err
	})
	if err != nil || len(sockets) != 2 {
		t.Errorf("%q, %v", sockets, err)
	}
	for _, file := range []string{"tcp", "tcp6"} {
		listening, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", running.PID(), file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(listening)) {
			fields := strings.Fields(line)
			const listens = "0A"
			if len(fields) > 9 && fields[3] == listens && owns(running.PID(), fields[9]) {
				t.Errorf("it listens: %s", line)
			}
		}
	}
}

// owns reports whether a process has a socket open.
func owns(pid int, inode string) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// go-plugin's own check of a digest fails at each start but the first.
func TestAProgramIsVerifiedAtEachStart(t *testing.T) {
	p, _ := program(t, "plugin")
	body, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	p.Path = filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(p.Path, body, 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	for range 2 {
		running, err := host.Start(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		running.Stop()
	}
	if err := os.WriteFile(p.Path, append(body, '\n'), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	if _, err := host.Start(t.Context(), p); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("one byte more: %v", err)
	}
}

// A host of go-plugin's takes messages of 2 GiB.
func TestAMessageIsBounded(t *testing.T) {
	running, _ := start(t, "plugin")
	s := storageOf(t, running)
	if _, err := s.Stat(t.Context(), "huge"); fault.KindOf(err) != fault.TooLarge || fault.SideOf(err) != fault.Plugin {
		t.Errorf("%.300v", err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// go-plugin's end of a plugin breaks off the calls that are under way.
func TestDrainWaitsForCallsAndTakesNoFurtherOnes(t *testing.T) {
	running, log := start(t, "plugin")
	s := storageOf(t, running)
	slow := make(chan error, 1)
	go func() {
		_, err := s.Stat(t.Context(), "slow")
		slow <- err
	}()
	log.await(t, "a slow call has begun")
	drained := make(chan error, 1)
	go func() { drained <- running.Drain(t.Context()) }()
	for {
		_, err := s.Stat(t.Context(), "k")
		if fault.KindOf(err) == fault.Unavailable && fault.SideOf(err) == fault.Plugin {
			break // it has begun to drain
		}
		if fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := <-slow; err != nil {
		t.Errorf("the slow call: %v", err)
	}
	if err := running.Health(t.Context()); err != nil {
		t.Errorf("its health: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := running.Drain(ctx); err == nil {
		t.Error("a drain that is given up has no error")
	}
	running.Stop()
	if e := running.Exit(); e.How != "exit status 0" {
		t.Errorf("%s", e)
	}
}

// A service manager ends all of a host's processes at once, and a terminal does.
func TestSignalsForTheHostAreNotForItsPlugins(t *testing.T) {
	running, _ := start(t, "plugin")
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(-running.PID(), s); err != nil {
			t.Fatal(err)
		}
		if err := running.Health(t.Context()); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func TestAPluginThatIsToQuitTellsWhatItDid(t *testing.T) {
	running, _ := start(t, "plugin")
	running.Quit()
	if e := running.Exit(); e.Clean || e.How != "exit status 2" || !strings.Contains(strings.Join(e.Latest, "\n"), "goroutine") {
		t.Errorf("%s, %d lines", e, len(e.Latest))
	}
}

func TestAPluginIsConfined(t *testing.T) {
	running, _ := start(t, "plugin")
	if unconfined := running.Unconfined(); len(unconfined) > 0 {
		t.Errorf("%q", unconfined)
	}
	for file, wants := range map[string][]string{
		"status": {"NoNewPrivs: 1"}, "limits": {"Max core file size 0 0", "Max open files 1024 1024"},
	} {
		body, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", running.PID(), file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(strings.Join(strings.Fields(string(body)), " "), want) {
				t.Errorf("%s does not have %q:\n%s", file, want, body)
			}
		}
	}
	ours := exec.CommandContext(t.Context(), "/bin/cat", "/proc/self/status")
	if status, err := ours.Output(); err != nil || !strings.Contains(string(status), "NoNewPrivs:\t0") {
		t.Errorf("what the host starts otherwise is confined as well: %v", err)
	}
	u, err := running.Usage()
	if err != nil || u.RSSBytes < 1<<20 || u.CPUTime <= 0 {
		t.Errorf("%+v, %v", u, err)
	}
}

// A test, or an operator, who kills a plugin is told apart from the kernel and its host.
func TestWhoKilledAPluginIsTold(t *testing.T) {
	running, _ := start(t, "plugin")
	if err := syscall.Kill(running.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := running.Exit(); !e.Killed || e.OutOfMemory || e.Signal != "killed" {
		t.Errorf("%+v", e)
	}
	running, _ = start(t, "plugin")
	running.Kill()
	if e := running.Exit(); e.Killed || e.Signal != "killed" {
		t.Errorf("by its host: %+v", e)
	}
	p, log := program(t, "silent")
	var killing sync.WaitGroup
	defer killing.Wait()
	killing.Go(func() {
		log.await(t, "it is silent, and is ")
		_, pid, _ := strings.Cut(log.String(), "it is silent, and is ")
		n, err := strconv.Atoi(strings.Fields(pid)[0])
		if err == nil {
			err = syscall.Kill(n, syscall.SIGKILL)
		}
		if err != nil {
			t.Error(err)
		}
	})
	_, err := host.Start(t.Context(), p)
	if e, ok := host.ExitOf(err); !ok || !e.Killed {
		t.Errorf("while it started: %v, %+v", err, e)
	}
}
