package host

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/internal/seam"
	"github.com/corral-fleet/corral/sdk/storage"
)

// maxReceiveBytes is the largest message that is taken from a plugin.
const maxReceiveBytes = 4 << 20

// Process is a plugin that runs. Its methods may be called concurrently.
type Process struct {
	program Program
	client  *goplugin.Client
	process *process
	lines   *printed
	conn    *grpc.ClientConn
	plugin  pluginrpc.Client
	clean   func()

	socketDir string // the plugin's own
}

// Start starts a plugin and waits until it serves.
func Start(ctx context.Context, p Program) (*Process, error) {
	if p.StartTimeout == 0 {
		p.StartTimeout = DefaultStartTimeout
	}
	if p.StopTimeout == 0 {
		p.StopTimeout = DefaultStopTimeout
	}
	if err := p.checkRunDir(); err != nil {
		return nil, err
	}
	executable, err := p.verified()
	if err != nil {
		return nil, err
	}
	defer executable.Close() // the process has its own
	lines := newPrinted(p.Log, p.Redact, time.Now)
	//nolint:contextcheck // ctx is of the start alone, and the process outlives it
	running := &Process{program: p, lines: lines, process: newProcess(executable, p.Path, lines)}
	if err := running.start(ctx); err != nil {
		running.discard()
		return nil, running.explain(err)
	}
	return running, nil
}

// start starts the program and shakes hands.
func (p *Process) start(ctx context.Context) error {
	p.clean = func() {
		if p.socketDir != "" {
			_ = os.RemoveAll(p.socketDir) // what is left is empty
		}
	}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  seam.Handshake(),
		VersionedPlugins: seam.Plugins(seam.Seam{}),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.program.StartTimeout,
		Logger:           hclog.NewNullLogger(), // what it has to say is said here in better words
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: p.program.RunDir},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes))},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			p.socketDir = dir
			p.process.cmd.Env = append(slices.Clone(p.program.Env), cmd.Env...)
			return p.process, nil
		},
	})
	defer context.AfterFunc(ctx, p.process.kill)()
	protocol, err := p.client.Client()
	if err != nil {
		return errors.Join(ctx.Err(), err)
	}
	served, err := protocol.Dispense(seam.Name)
	if err != nil {
		return err
	}
	p.conn = served.(*grpc.ClientConn)
	p.plugin = pluginrpc.NewClient(p.conn)
	return nil
}

// discard ends what was started of a plugin that does not serve.
func (p *Process) discard() {
	if p.process.pid.Load() > 0 {
		p.process.stop()
		p.process.kill()
		<-p.process.exited
	}
	p.client.Kill()
	p.clean()
}

// explain says why a plugin does not serve, as far as that is known.
func (p *Process) explain(cause error) error {
	if p.process.pid.Load() == 0 {
		return fault.Wrap(fault.Unavailable, cause, "the plugin could not be started").On(fault.Plugin)
	}
	exit := p.exit()
	return fault.Wrap(fault.Unavailable, errors.Join(cause, exitError{exit}), "the plugin did not get ready: %s", exit).On(fault.Plugin)
}

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.process.exited }

// Exit returns how the process ended, once it has.
func (p *Process) Exit() Exit {
	<-p.process.exited
	return p.exit()
}

func (p *Process) exit() Exit {
	state := p.process.state
	e := Exit{At: p.process.endedAt, How: state.String(), Clean: state.Success(), Latest: p.lines.lines()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal().String()
		if status.Signal() == syscall.SIGKILL && !p.process.killed.Load() {
			e.OutOfMemory = p.process.memory.rose()
			e.Killed = p.process.memory.known() && !e.OutOfMemory
		}
	}
	select {
	case <-p.process.stopping:
		e.Clean = true
	default:
	}
	return e
}

// PID returns the id of the process.
func (p *Process) PID() int { return int(p.process.pid.Load()) }

// Unconfined returns what could not be done to confine the process, a sentence each.
func (p *Process) Unconfined() []string { return slices.Clone(p.process.unconfined) }

// Quit has the process print what it is doing, as far as its language does that, and
// end: for one that does not answer any more.
func (p *Process) Quit() {
	if pid := p.PID(); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGQUIT) // fails where it is gone
	}
}

// Kill ends the process, and all that it has started, at once. It is to be stopped
// nevertheless.
func (p *Process) Kill() { p.process.kill() }

// Health returns nil when the process answers.
func (p *Process) Health(ctx context.Context) error { return p.plugin.Health(ctx, "") }

// Drain has the plugin take no further calls, and returns when those that it has are
// done or ctx ends.
func (p *Process) Drain(ctx context.Context) error { return p.plugin.Drain(ctx) }

// Stop ends the plugin: it may close what it has open, and is killed, with all that
// it has started, where that takes too long.
func (p *Process) Stop() {
	p.process.stop()
	select {
	case <-p.process.exited:
	case <-time.After(p.program.StopTimeout):
		p.process.kill()
		<-p.process.exited
	}
	p.client.Kill() // it is dead; this lets go of the connection
	p.clean()
}

// Describe returns what the plugin is, as JSON.
func (p *Process) Describe(ctx context.Context) (json.RawMessage, error) {
	return p.plugin.Describe(ctx)
}

// Configuration is that of one instance.
type Configuration struct {
	// Version is the one of the plugin's configuration that JSON is of; 0 is the one
	// that the plugin has now: what somebody has just written for it.
	Version int
	JSON    json.RawMessage
	Secrets map[string]string // by their fields' names; never logged
}

// Check returns what is wrong with a configuration. When nothing is, and online is
// true, it is tried: an error is what one would get.
func (p *Process) Check(ctx context.Context, c Configuration, online bool) ([]config.Fault, error) {
	return p.plugin.Check(ctx, pluginrpc.Configuration(c), online)
}

// Migrate returns a configuration in the version that the plugin has now. It may have
// faults in that. One that is of a newer version is fault.Invalid on the caller's side.
func (p *Process) Migrate(ctx context.Context, c Configuration) (Configuration, error) {
	now, err := p.plugin.Migrate(ctx, pluginrpc.Configuration(c))
	if fault.KindOf(err) != fault.NotImplemented {
		return Configuration(now), err
	}
	if c.Version > 1 { // a plugin that knows nothing of versions has the first one
		return Configuration{}, fault.New(fault.Invalid,
			"the configuration was saved for a newer version of the plugin: it has version %d, and this plugin knows no other than 1", c.Version).On(fault.Caller)
	}
	c.Version = 1
	return c, nil
}

// Storage is an instance of a storage plugin. It is of use until its process ends.
type Storage struct {
	*storagerpc.Client
	process  *Process
	instance string
}

var _ storage.Backend = (*Storage)(nil)

// OpenStorage returns the backend of a configuration.
func (p *Process) OpenStorage(ctx context.Context, c Configuration) (*Storage, error) {
	opened, err := p.plugin.Open(ctx, pluginrpc.Configuration(c))
	if err != nil {
		return nil, err
	}
	dataDir := p.socketDir
	if p.program.NoDataSocket {
		dataDir = ""
	}
	return &Storage{storagerpc.NewClient(p.conn, opened, dataDir), p, opened.Instance}, nil
}

// CloseInstance ends the instance.
func (s *Storage) CloseInstance(ctx context.Context) error {
	return s.process.plugin.Close(ctx, s.instance)
}
