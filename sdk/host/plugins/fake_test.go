package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// fakeProcess is a plugin's process whose time is the test's.
type fakeProcess struct {
	name   string
	body   string // of its program
	world  *fakeWorld
	exited chan struct{}
	once   sync.Once
	exit   host.Exit

	mu      sync.Mutex
	heard   []string // quit, kill, drain, stop
	stuck   bool     // it answers nothing
	deaf    bool     // it does not heed to be quit
	openErr error
	loses   bool // what is put into it
}

func (p *fakeProcess) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// fakeWorld is what starts processes, with the objects that outlive them.
type fakeWorld struct {
	objects *memory.Backend
	reads   fakeReads
	call    func(ctx context.Context, p *fakeProcess, method, key string) error // nil has it go on
	take    func(ctx context.Context, in storagerpc.Watcher) error              // with the file of an upload, if not nil

	mu        sync.Mutex
	prepare   func(p *fakeProcess) error // an error is that it does not start
	processes []*fakeProcess
	opened    int
}

func (w *fakeWorld) start(ctx context.Context, program host.Program) (process, error) {
	body, err := io.ReadAll(io.NewSectionReader(program.File, 0, 100))
	if err != nil {
		return nil, err
	}
	var name string
	if _, err := fmt.Sscanf(string(body), "%s", &name); err != nil {
		return nil, err
	}
	p := &fakeProcess{name: name, body: string(body), world: w, exited: make(chan struct{})}
	w.mu.Lock()
	w.processes = append(w.processes, p)
	prepare := w.prepare
	w.mu.Unlock()
	if prepare != nil {
		if err := prepare(p); err != nil {
			return nil, err
		}
	}
	return p, ctx.Err()
}

// latest returns the process that was started last.
func (w *fakeWorld) latest() *fakeProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.processes[len(w.processes)-1]
}

func (w *fakeWorld) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.processes)
}

func (p *fakeProcess) end(how string) {
	p.once.Do(func() {
		p.exit = host.Exit{At: time.Now(), How: how, Latest: []string{"its last line"}}
		close(p.exited)
	})
}

func (p *fakeProcess) hear(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, what)
}

func (p *fakeProcess) isStuck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck
}

func (p *fakeProcess) Describe(context.Context) (json.RawMessage, error) {
	return json.RawMessage(fmt.Sprintf(`{"kind":"storage","name":%q}`, p.name)), nil
}

func (p *fakeProcess) Check(context.Context, host.Configuration, bool) ([]config.Fault, error) {
	return nil, nil
}

func (p *fakeProcess) Migrate(_ context.Context, c host.Configuration) (host.Configuration, error) {
	return c, nil
}

func (p *fakeProcess) Open(context.Context, host.Configuration) (storageBackend, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.openErr != nil {
		return nil, p.openErr
	}
	p.world.mu.Lock()
	p.world.opened++
	p.world.mu.Unlock()
	return fakeBackend{p.world.objects, p}, nil
}

func (p *fakeProcess) Health(ctx context.Context) error {
	if p.isStuck() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (p *fakeProcess) Drain(context.Context) error { p.hear("drain"); return nil }

func (p *fakeProcess) Quit() {
	p.hear("quit")
	if !p.deaf {
		p.end("exit status 2")
	}
}
func (p *fakeProcess) Kill()                      { p.hear("kill"); p.end("signal: killed") }
func (p *fakeProcess) Stop()                      { p.hear("stop"); p.end("exit status 0") }
func (p *fakeProcess) Exited() <-chan struct{}    { return p.exited }
func (p *fakeProcess) Exit() host.Exit            { <-p.exited; return p.exit }
func (p *fakeProcess) PID() int                   { return 1 }
func (p *fakeProcess) Unconfined() []string       { return nil }
func (p *fakeProcess) Usage() (host.Usage, error) { return host.Usage{}, nil }

// fakeBackend is an instance in a fake process.
type fakeBackend struct {
	*memory.Backend
	process *fakeProcess
}

// before is what comes before each call: it breaks off where the process ends.
func (b fakeBackend) before(ctx context.Context, method, key string) error {
	if do := b.process.world.call; do != nil {
		if err := do(ctx, b.process, method, key); err != nil {
			return err
		}
	}
	if b.process.isStuck() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	select {
	case <-b.process.exited:
		return fault.New(fault.Unavailable, "the plugin is away").On(fault.Plugin)
	default:
		return nil
	}
}

func (b fakeBackend) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := b.before(ctx, "stat", key); err != nil {
		return storage.Info{}, err
	}
	return b.Backend.Stat(ctx, key)
}

func (b fakeBackend) Put(ctx context.Context, key string, src storage.Source) error {
	if b.process.loses {
		return nil
	}
	if take := b.process.world.take; take != nil {
		in, err := src.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		return take(ctx, in.(storagerpc.Watcher))
	}
	if err := b.Backend.Put(ctx, key, src); err != nil {
		return err
	}
	return b.before(ctx, "put", key)
}

func (b fakeBackend) Create(ctx context.Context, key string, src storage.Source) error {
	if err := b.Backend.Create(ctx, key, src); err != nil {
		return err
	}
	return b.before(ctx, "create", key)
}

func (b fakeBackend) Check(ctx context.Context) error { return b.before(ctx, "check", "") }

func (b fakeBackend) CloseInstance(context.Context) error { return nil }

// inBubble runs a test in which time passes only when nothing else is to do.
func inBubble(t *testing.T, test func(t *testing.T, f *fixture, w *fakeWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{objects: memory.New(1 << 30)}
		f := &fixture{t: t, dir: t.TempDir(), log: &logged{}, news: make(chan struct{}, 1)}
		f.Manager = New(Config{Dirs: []string{f.dir}, RunDir: filepath.Join(f.dir, "run"), start: w.start})
		test(t, f, w)
	})
}

// trustFake puts the program of a fake plugin into the directory.
func (f *fixture) trustFake(name, version string) {
	f.t.Helper()
	path := filepath.Join(f.dir, trust.Prefix+name)
	if err := os.WriteFile(path, []byte(name+" "+version), 0o755); err != nil { //nolint:gosec // it is a program
		f.t.Fatal(err)
	}
	sum, err := host.Digest(path)
	if err != nil {
		f.t.Fatal(err)
	}
	file := filepath.Join(f.dir, trust.LockName)
	lock, err := trust.ReadLock(file)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := lock.Trust(trust.Entry{Kind: "storage", Name: name, Version: version, SHA256: map[string]string{trust.Platform: sum}}); err != nil {
		f.t.Fatal(err)
	}
	if err := lock.Write(file); err != nil {
		f.t.Fatal(err)
	}
}

func (p *fakeProcess) OpenLoader(context.Context, host.Configuration) (loaderBackend, error) {
	return nil, fault.New(fault.NotImplemented, "it is a storage")
}
