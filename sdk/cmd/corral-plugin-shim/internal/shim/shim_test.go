package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin-shim/internal/parcel"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// The test's own program is also the shim, where a parcel stands behind it, and the
// program that the shim starts, where it is told a socket.
func TestMain(m *testing.M) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p, err := parcel.Open(self)
	switch {
	case err != nil:
		panic(err)
	case p != nil:
		os.Exit(Main(*p, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	case os.Getenv(SocketVariable) != "":
		os.Exit(serveAs(os.Args[1], os.Getenv(SocketVariable)))
	}
	os.Exit(m.Run())
}

const described = `{"kind":"storage","name":"other","version":"1.0.0","protocols":[1],"config_schema":{},"secrets":[]}`

// other is a plugin that is written without the SDK, as far as the shim can see.
type other struct{}

func (other) Describe() ([]byte, error) { return []byte(described), nil }

func (other) Migrate(c pluginrpc.Configuration) (pluginrpc.Configuration, error) { return c, nil }

func (other) Configure(pluginrpc.Configuration) (pluginrpc.Opening, []config.Fault) {
	return func(context.Context) (pluginrpc.Opened, error) {
		b := dying{memory.New(1 << 30)}
		return pluginrpc.Opened{
			Instance: b, Capabilities: uint32(storage.CapabilitiesOf(b)), Check: func(context.Context) error { return nil },
		}, nil
	}, nil
}

// dying is a backend that one key ends.
type dying struct{ *memory.Backend }

func (d dying) Stat(ctx context.Context, key string) (storage.Info, error) {
	if key == "die" {
		fmt.Println("its last words")
		os.Exit(7)
	}
	return d.Backend.Stat(ctx, key)
}

// serveAs is the program that the shim starts, and how it is bad.
func serveAs(which, socket string) int {
	switch which {
	case "exits":
		fmt.Println("I can't work like this")
		return 3
	case "stays":
		defer time.Sleep(time.Hour)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	server := grpc.NewServer()
	s := pluginrpc.NewServer(other{}, "")
	s.Register(server)
	storagerpc.NewServer(func(instance string) (storage.Backend, error) {
		found, err := s.Find(instance)
		if err != nil {
			return nil, err
		}
		return found.(storage.Backend), nil
	}, nil).Register(server)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return 1
	}
	return 0
}

// packed returns a plugin of the test's own program.
func packed(t *testing.T, which string) (plugin, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	dir = filepath.Join(at, "files")
	if err := os.MkdirAll(filepath.Join(dir, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deep", "script"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	plugin = filepath.Join(at, "plugin")
	if err := parcel.Pack(self, plugin, dir, []string{self, which}); err != nil {
		t.Fatal(err)
	}
	return plugin, dir
}

func start(t *testing.T, plugin string) (*host.Process, *bytes.Buffer, error) {
	t.Helper()
	sum, err := host.Digest(plugin)
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "run") //nolint:usetesting // a test's name makes it too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	var log bytes.Buffer // read when the process has ended
	running, err := host.Start(t.Context(), host.Program{
		Path: plugin, SHA256: sum, RunDir: run, Env: []string{"GORACE=atexit_sleep_ms=0"},
		Log: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace}), StopTimeout: 10 * time.Second,
	})
	if err == nil {
		t.Cleanup(running.Stop)
	}
	return running, &log, err
}

func serving(t *testing.T, which string) (*host.Process, *bytes.Buffer) {
	t.Helper()
	plugin, _ := packed(t, which)
	running, log, err := start(t, plugin)
	if err != nil {
		t.Fatal(err)
	}
	return running, log
}

// TestContract has the whole contract hold through the shim.
func TestContract(t *testing.T) {
	running, _ := serving(t, "serves")
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		b, err := running.OpenStorage(t.Context(), host.Configuration{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

func TestItSaysWhatTheProgramIs(t *testing.T) {
	plugin, _ := packed(t, "serves")
	cmd := exec.Command(plugin, "describe")
	cmd.Env, cmd.Dir = []string{}, "/"
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != described {
		t.Errorf("%v, %s", err, out)
	}
	out, err = exec.Command(plugin).Output()
	if err != nil || !strings.HasPrefix(string(out), "other 1.0.0 is a storage plugin") {
		t.Errorf("%v, %s", err, out)
	}
	running, _, err := start(t, plugin)
	if err != nil {
		t.Fatal(err)
	}
	if toHost, err := running.Describe(t.Context()); err != nil || string(toHost) != described {
		t.Errorf("%v, %s", err, toHost)
	}
}

func TestOnlyThePackedFilesAreRun(t *testing.T) {
	plugin, dir := packed(t, "serves")
	if err := os.WriteFile(filepath.Join(dir, "deep", "script"), []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(plugin, "describe").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "are not those with which this plugin was packed") {
		t.Errorf("%v, %s", err, out)
	}
	if _, _, err := start(t, plugin); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "are not those") {
		t.Errorf("%v", err)
	}
}

func TestAProgramThatDoesNotServeIsExplained(t *testing.T) {
	plugin, _ := packed(t, "exits")
	if _, _, err := start(t, plugin); err == nil || !strings.Contains(err.Error(), "it has ended with exit status 3") {
		t.Errorf("%v", err)
	}
}

func TestTheEndOfTheProgramIsTheEndOfThePlugin(t *testing.T) {
	running, log := serving(t, "serves")
	b, err := running.OpenStorage(t.Context(), host.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "die"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the call: %v", err)
	}
	if e := running.Exit(); e.Clean || !strings.Contains(e.String(), "the program has ended: exit status 7") || !strings.Contains(log.String(), "its last words") {
		t.Errorf("%s, clean %v\n%s", e, e.Clean, log)
	}
}

func TestItEndsWithItsHost(t *testing.T) {
	running, _ := serving(t, "serves")
	began := time.Now()
	running.Stop()
	if e := running.Exit(); e.How != "exit status 0" || time.Since(began) > stopWithin {
		t.Errorf("%s after %v", e, time.Since(began))
	}
	running, log := serving(t, "stays")
	running.Stop()
	if e := running.Exit(); e.How != "exit status 1" || !strings.Contains(log.String(), "was killed") {
		t.Errorf("one that stays: %s\n%s", e, log)
	}
}

// The program is gone when the shim is killed.
func TestNoProgramOutlivesTheShim(t *testing.T) {
	running, _ := serving(t, "stays")
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", running.PID(), running.PID()))
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", running.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		more, _ := os.ReadFile(task)
		children = append(append(children, ' '), more...)
	}
	var child int
	if _, err := fmt.Sscan(string(bytes.TrimSpace(children)), &child); err != nil {
		t.Fatalf("it has no child: %q", children)
	}
	if err := syscall.Kill(running.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if _, after, _ := strings.Cut(string(state), ") "); err != nil || strings.HasPrefix(after, "Z") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it lives on")
		}
	}
}
