package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// marker stands at the end of a copy of the test's own program that is a plugin, and
// what it is behind it.
const marker = "\ncorral test plugin: "

func TestMain(m *testing.M) {
	if name, version, ok := asPlugin(); ok {
		os.Exit(plugin.Main(plugin.About{Name: name, Version: version, Publisher: "Test"}, kindOf(name, version)))
	}
	os.Exit(m.Run())
}

// kindOf returns what a plugin does.
func kindOf(name, version string) plugin.Kind {
	switch name {
	case aging:
		return agingKind(version)
	case looking:
		return plugin.Loader(openLooker)
	}
	return plugin.Storage(func(ctx context.Context, s Settings) (storage.Backend, error) { return open(ctx, s, version) })
}

// asPlugin returns what plugin the program is.
func asPlugin() (name, version string, ok bool) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", "", false
	}
	defer self.Close()
	tail := make([]byte, 100)
	if _, err := self.Seek(-int64(len(tail)), io.SeekEnd); err != nil {
		return "", "", false
	}
	if _, err := io.ReadFull(self, tail); err != nil {
		return "", "", false
	}
	_, after, ok := bytes.Cut(tail, []byte(marker))
	if !ok {
		return "", "", false
	}
	name, version, _ = strings.Cut(string(after), " ")
	return name, version, true
}

// Settings are those of the plugin.
type Settings struct {
	Directory string        `yaml:"directory" help:"where what must survive is kept; empty is in memory"`
	Password  config.Secret `yaml:"password" help:"nothing needs it"`
}

func open(_ context.Context, s Settings, version string) (storage.Backend, error) {
	if s.Password.Reveal() == "wrong" {
		return nil, fault.New(fault.Unauthenticated, "the service does not take this password").On(fault.Service)
	}
	if version == "9.0.0" {
		return nil, errors.New("this version does not work")
	}
	return misbehaving{memory.New(1 << 30), s}, nil
}

// misbehaving does what some keys say.
type misbehaving struct {
	*memory.Backend
	settings Settings
}

func (m misbehaving) Stat(ctx context.Context, key string) (storage.Info, error) {
	switch key {
	case "exit":
		fmt.Fprintln(os.Stderr, "the last word with "+m.settings.Password.Reveal())
		os.Exit(7)
	case "exit once":
		if os.Mkdir(filepath.Join(m.settings.Directory, "exited"), 0o700) == nil {
			os.Exit(7)
		}
		return storage.Info{Key: key}, nil
	case "tell":
		return storage.Info{}, fault.New(fault.Unavailable, "no luck with %s", m.settings.Password.Reveal()).On(fault.Service)
	case "kill":
		return storage.Info{}, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return m.Backend.Stat(ctx, key)
}

// Put implements [storage.Backend].
func (m misbehaving) Put(ctx context.Context, key string, src storage.Source) error {
	switch key {
	case "nowhere":
		in, err := src.Open()
		if err == nil {
			_, err = io.Copy(io.Discard, in)
		}
		return err
	case "file", "file killed once":
		in, err := src.Open()
		if err != nil {
			return err
		}
		if _, is := in.(io.ReaderAt); !is {
			return fault.New(fault.Invalid, "this is no file, but a %T", in)
		}
		if key != "file" && os.Mkdir(filepath.Join(m.settings.Directory, "killed"), 0o700) == nil {
			_, err := io.CopyN(io.Discard, in, src.SizeBytes()/2)
			return errors.Join(err, syscall.Kill(os.Getpid(), syscall.SIGKILL))
		}
	}
	return m.Backend.Put(ctx, key, src)
}

// Check implements [storage.Checker].
func (m misbehaving) Check(context.Context) error {
	if m.settings.Directory == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(m.settings.Directory, "away")); err == nil {
		return fault.New(fault.Unavailable, "the service is away").On(fault.Service)
	}
	return nil
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

// fixture is a manager with a directory of plugins.
type fixture struct {
	*Manager
	t    testing.TB
	dir  string
	log  *logged
	news chan struct{}
	stop func()
}

// quick are times for tests.
func quick() times {
	t := defaultTimes()
	t.ping, t.health, t.quitGrace = 50*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond
	t.firstBackoff, t.failedPause = time.Millisecond, 200*time.Millisecond
	return t
}

func newHost(t testing.TB) *fixture {
	t.Helper()
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
	f := &fixture{t: t, dir: t.TempDir(), log: &logged{}, news: make(chan struct{}, 1)}
	f.Manager = New(Config{
		Dirs: []string{f.dir}, RunDir: run, Log: hclog.New(&hclog.LoggerOptions{Output: f.log, Level: hclog.Trace}), MaxExits: 50,
		TrustCommand: "trust", times: quick(),
		Changed: func() {
			select {
			case f.news <- struct{}{}:
			default:
			}
		},
	})
	return f
}

// put puts a plugin's program into the directory.
func (f *fixture) put(name, version string) string {
	f.t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(f.dir, trust.Prefix+"storage-"+name)
	if err := os.WriteFile(path+".new", append(self, marker+name+" "+version...), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// trust puts a plugin's program into the directory, and trusts it.
func (f *fixture) trust(name, version string) {
	f.t.Helper()
	if _, err := trust.TrustFile(f.t.Context(), filepath.Join(f.dir, trust.LockName), f.put(name, version)); err != nil {
		f.t.Fatal(err)
	}
}

// run runs the manager until the test ends, or stop is called.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(f.stop)
}

// storage returns an instance.
func (f *fixture) storage(plugin string, secrets map[string]string, fields ...string) *Instance {
	var json []byte
	if len(fields) > 0 {
		json = fmt.Appendf(nil, `{"directory": %q}`, fields[0])
	}
	return f.Storage(Setup{Plugin: Storage(plugin), Name: "main", Config: host.Configuration{JSON: json, Secrets: secrets}})
}

// status returns how a plugin is.
func (f *fixture) status(name string) Status {
	for _, s := range f.Plugins() {
		if s.ID == Storage(name) {
			return s
		}
	}
	return Status{}
}

// await waits until something is so.
func (f *fixture) await(what string, is func() bool) {
	f.t.Helper()
	timeout := time.After(30 * time.Second)
	for !is() {
		select {
		case <-f.news:
		case <-time.After(20 * time.Millisecond): // a process's end is no news of ours
		case <-timeout:
			f.t.Fatalf("%s: it is not so\n%+v\n%.3000s", what, f.Plugins(), f.log)
		}
	}
}
