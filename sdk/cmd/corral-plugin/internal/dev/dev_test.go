package dev

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin/internal/gotool"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// role is the variable that has the test's own program be a plugin.
const role = "DEV_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "loader":
		os.Exit(plugin.Main(plugin.About{Name: "text", Version: "0.1.0"}, plugin.Loader(openText)))
	}
	os.Exit(plugin.Main(plugin.About{Name: "memory", Version: "0.1.0"}, plugin.Storage(func(_ context.Context, s settings) (storage.Backend, error) {
		if s.Password.Reveal() == "wrong" {
			return nil, fault.New(fault.Unauthenticated, "the service does not take this password").On(fault.Service)
		}
		return dying{memory.New(int64(s.MaxSize))}, nil
	})))
}

type settings struct {
	MaxSize  config.Size   `yaml:"max_size" help:"the largest object"`
	Password config.Secret `yaml:"password" help:"what the service asks for"`
}

func (s *settings) SetDefaults() { s.MaxSize = 1 << 30 }

// dying is a backend that one key kills.
type dying struct{ *memory.Backend }

func (d dying) Stat(ctx context.Context, key string) (storage.Info, error) {
	if key == "die" {
		os.Exit(7)
	}
	return d.Backend.Stat(ctx, key)
}

// shown is what a session has printed so far.
type shown struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// scene is a session of the test's own program.
type scene struct {
	t      *testing.T
	config string
	out    shown
	in     *io.PipeWriter
	read   int // how much of out was looked at
	ended  chan error
}

func begin(t *testing.T, configuration string) *scene { return beginAs(t, "plugin", configuration) }

func beginAs(t *testing.T, which, configuration string) *scene {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	target, err := gotool.At(self)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, config: filepath.Join(t.TempDir(), "config.yaml"), ended: make(chan error, 1)}
	s.configure(configuration)
	commands, in := io.Pipe()
	s.in = in
	t.Cleanup(func() { in.Close() })
	go func() {
		s.ended <- Run(t.Context(), Options{
			Target: target, Config: s.config, Env: []string{role + "=" + which, "GORACE=atexit_sleep_ms=0"}, Log: hclog.NewNullLogger(), In: commands, Out: &s.out,
		})
	}()
	return s
}

func (s *scene) configure(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) say(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until something is printed behind what was awaited before.
func (s *scene) await(want string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text := s.out.String()
		if at := strings.Index(text[s.read:], want); at >= 0 {
			s.read += at + len(want)
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("it does not print %q behind\n%s\nbut\n%s", want, text[:s.read], text[s.read:])
		}
	}
}

func TestTheShellTriesAPlugin(t *testing.T) {
	s := begin(t, "max_size: 1MiB\n")
	s.await("memory 0.1.0 serves")
	file := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(file, []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{
		{"put " + file + " a/b", "a/b has 12 bytes"},
		{"put " + file, "hello has 12 bytes"},
		{"ls", "2 objects"},
		{"ls a/", "1 objects"},
		{"ls ../x", "(invalid, of the caller)"},
		{"stat a/b", "size     12"},
		{"get a/b", "hello, world"},
		{"get a/b " + file + ".2", file + ".2 has 12 bytes"},
		{"cp c a/b", ""},
		{"get c", "hello, world"},
		{"rm c", ""},
		{"stat c", "(not_found, of the plugin)"},
		{"url a/b", "(not_implemented, of the caller)"},
		{"bench 100kB", "range "},
		{"bench much", "is not a size"},
		{"stat", "say: stat KEY"},
		{"nonsense", "no such command"},
		{"help", "bench [SIZE]"},
		{"check", ""},
		{"restart", "memory 0.1.0 serves"},
		{"ls", "0 objects"},
	} {
		s.say(step[0])
		s.await(step[1])
	}
	s.say("quit")
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(file + ".2"); err != nil || string(got) != "hello, world" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAChangeIsFollowed(t *testing.T) {
	s := begin(t, "max_sise: 1MiB\n")
	s.await("the configuration has faults:\nmax_sise")
	s.say("ls")
	s.await("nothing is open")
	s.configure("max_size: 10B\n")
	s.await("memory 0.1.0 serves")
	file := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(file, []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.say("put " + file + " a")
	s.await("(too_large, of the plugin)")
	s.configure("max_size: 1MiB\npassword: wrong\n")
	s.await("does not take this password")
	s.await("the one before goes on")
	s.say("put " + file + " a")
	s.await("(too_large, of the plugin)")
	s.configure("max_size: 1MiB\n")
	s.await("memory 0.1.0 serves")
	s.say("put " + file + " a")
	s.await("a has 12 bytes")
	s.in.Close()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

func TestAPluginThatDiesIsBuried(t *testing.T) {
	s := begin(t, "")
	s.await("serves")
	s.say("stat die")
	s.await("the plugin has ended: exit status 7")
	s.say("ls")
	s.await("nothing is open")
	s.say("restart")
	s.await("serves")
	s.say("ls")
	s.await("0 objects")
	s.in.Close()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

func TestWhatCountsAsAChange(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"main.go": true, "go.mod": true, "web": true, "web/page.html": true, "corral-plugin-storage-x": false,
		".git/index": false, "main.go~": false, ".main.go.swp": false, "../other.go": false,
	} {
		if got := isSource(dir, filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
