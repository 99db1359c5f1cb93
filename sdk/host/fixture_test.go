package host_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// pluginAs is a plugin, and how it is bad.
func pluginAs(which string) int {
	switch which {
	case "prints before":
		fmt.Println("hello")
		fmt.Print("1|2|3 and no end of a line: ")
	case "exits":
		fmt.Fprintln(os.Stderr, "I can't work like this")
		return 3
	case "silent":
		fmt.Fprintln(os.Stderr, "it is silent, and is", os.Getpid())
		time.Sleep(time.Hour)
	case "no handshake":
		fmt.Println("1|99|unix|/nowhere|grpc|")
		time.Sleep(time.Hour)
	case "bad log":
		fmt.Fprintln(os.Stderr, `{"@message":42,"@level":true,"@timestamp":{}}`)
		fmt.Fprintln(os.Stderr, `{"@message":`)
		fmt.Fprintln(os.Stderr, `{"@level":"error","@message":"a fine line","key":"value"}`)
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
	case "leaves a child":
		child := exec.Command("/bin/sleep", "600")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return 4
		}
		fmt.Fprintln(os.Stderr, "child", child.Process.Pid)
	}
	status := plugin.Main(plugin.About{Name: "memory", Version: "0.1.0", Summary: "Keeps objects in memory."}, plugin.Storage(open))
	if which == "slow to end" {
		time.Sleep(time.Hour)
	}
	return status
}

// Settings are those of the plugin.
type Settings struct {
	MaxBytes int64         `yaml:"max_bytes" help:"the largest object"`
	Password config.Secret `yaml:"password" help:"nothing needs it"`
}

func (s *Settings) SetDefaults() { s.MaxBytes = 1 << 30 }

// Validate implements [config.Validator].
func (s *Settings) Validate(report config.Report) {
	if s.MaxBytes < 1 {
		report("max_bytes", "has to be above 0")
	}
}

func open(_ context.Context, s Settings) (storage.Backend, error) {
	if s.Password.Reveal() == "wrong" {
		return nil, fault.New(fault.Unauthenticated, "the service does not take this password").On(fault.Service)
	}
	b := misbehaving{memory.New(s.MaxBytes)}
	return b, nil
}

// misbehaving does what some keys say.
type misbehaving struct{ *memory.Backend }

func (m misbehaving) Stat(ctx context.Context, key string) (storage.Info, error) {
	switch key {
	case "panic":
		panic("oh")
	case "exit":
		fmt.Fprintln(os.Stderr, "the last word")
		os.Exit(7)
	case "kill":
		return storage.Info{}, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "print":
		fmt.Println(strings.Repeat("y", 1<<20))
		os.NewFile(1, "stdout").WriteString(strings.Repeat("z", 1<<20))
	case "env":
		return storage.Info{Key: strings.Join(os.Environ(), "\n")}, nil
	case "huge":
		return storage.Info{Key: strings.Repeat("x", 5<<20)}, nil
	case "slow":
		fmt.Fprintln(os.Stderr, "a slow call has begun")
		time.Sleep(500 * time.Millisecond)
		return storage.Info{Key: key}, nil
	case "stdin":
		target, _ := os.Readlink("/proc/self/fd/0")
		return storage.Info{Key: target}, nil
	}
	return m.Backend.Stat(ctx, key)
}

// logged is a log that can be read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) await(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(l.String(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log does not have %q:\n%.3000s", want, l)
		}
	}
}

// program is the test's own program as a plugin.
func program(t testing.TB, which string) (host.Program, *logged) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := host.Digest(self)
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "run") //nolint:usetesting // a test's name makes it too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(run)
		if err != nil || len(left) > 0 {
			t.Errorf("%d sockets are left: %v", len(left), err)
		}
		os.RemoveAll(run)
	})
	log := &logged{}
	return host.Program{
		Path: self, SHA256: sum, RunDir: run, Env: []string{role + "=" + which},
		Log: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace}),
	}, log
}

func start(t testing.TB, which string) (*host.Process, *logged) {
	t.Helper()
	p, log := program(t, which)
	return started(t, p, log), log
}

func started(t testing.TB, p host.Program, log *logged) *host.Process {
	t.Helper()
	running, err := host.Start(t.Context(), p)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(running.Stop)
	return running
}

func storageOf(t testing.TB, p *host.Process) *host.Storage {
	t.Helper()
	s, err := p.OpenStorage(t.Context(), host.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
