package plugins

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
)

// process is what a plugin's process does; [host.Process] is one.
type process interface {
	Describe(ctx context.Context) (json.RawMessage, error)
	Check(ctx context.Context, c host.Configuration, online bool) ([]config.Fault, error)
	Migrate(ctx context.Context, c host.Configuration) (host.Configuration, error)
	Open(ctx context.Context, c host.Configuration) (storageBackend, error)
	OpenLoader(ctx context.Context, c host.Configuration) (loaderBackend, error)
	Health(ctx context.Context) error
	Drain(ctx context.Context) error
	Quit()
	Kill()
	Stop()
	Exited() <-chan struct{}
	Exit() host.Exit
	PID() int
	Unconfined() []string
	Usage() (host.Usage, error)
}

// backend is an instance in a process.
type backend interface {
	CloseInstance(ctx context.Context) error
}

// storageBackend is one of a storage.
type storageBackend interface {
	storage.Backend
	backend
}

// loaderBackend is one of a loader.
type loaderBackend interface {
	loader.Loader
	backend
	Check(ctx context.Context) error
}

// starter starts a program and waits until it serves.
type starter func(ctx context.Context, p host.Program) (process, error)

type hostProcess struct{ *host.Process }

func (p hostProcess) Open(ctx context.Context, c host.Configuration) (storageBackend, error) {
	return p.OpenStorage(ctx, c)
}

func (p hostProcess) OpenLoader(ctx context.Context, c host.Configuration) (loaderBackend, error) {
	return p.Process.OpenLoader(ctx, c)
}

func startProcess(ctx context.Context, p host.Program) (process, error) {
	running, err := host.Start(ctx, p)
	if err != nil {
		return nil, err
	}
	return hostProcess{running}, nil
}

// program is what a plugin is to run.
type program struct {
	trust.Found
	// kept is the program's file while it can be gone back to, whatever has become of
	// its path.
	kept *os.File
}

// generation is a process that serves, with the calls that are in it.
type generation struct {
	process     process
	program     *program
	description json.RawMessage
	startedAt   time.Time

	mu     sync.Mutex
	inside int
	empty  chan struct{} // not nil while somebody waits for the last to leave
}

func (g *generation) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside++
}

func (g *generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// emptied returns when no call is in the process, or ctx has ended. Nothing may enter
// any more.
func (g *generation) emptied(ctx context.Context) {
	g.mu.Lock()
	if g.inside == 0 {
		g.mu.Unlock()
		return
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	case <-g.process.Exited():
	}
}

// retire ends a process when its calls are done, or the time for that is over: what
// is under way may end, even if ctx has.
func (g *generation) retire(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	g.emptied(ctx)
	_ = g.process.Drain(ctx) // it is stopped in any case
	g.process.Stop()
}

// keep opens the program's file, if it is not open.
func (p *program) keep() {
	if p.kept == nil {
		p.kept, _ = os.Open(p.Path) // what is wrong is told when it is started
	}
}

// letGo closes the program's file; nil has none.
func (p *program) letGo() {
	if p != nil && p.kept != nil {
		p.kept.Close()
		p.kept = nil
	}
}

// gone reports whether the process has ended.
func (g *generation) gone() bool {
	select {
	case <-g.process.Exited():
		return true
	default:
		return false
	}
}
