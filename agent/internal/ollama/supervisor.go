package ollama

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/ollama/runlog"
	"github.com/corral-fleet/corral/agent/internal/ollama/systemd"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// Supervisor looks after one Ollama instance. Its methods may be called
// concurrently, also before and after Run.
type Supervisor struct {
	cfg  Config
	log  hclog.Logger
	host string
	port uint16 // 0 picks a free one

	board    *board
	progress *Progress
	output   *runlog.Log
	refresh  chan struct{}
	used     chan struct{}
	requests chan request
	stopped  chan struct{} // closed when Run returns

	endpoint atomic.Pointer[string]
}

// request is somebody's wish for a restart. The answer comes when the new
// Ollama serves, or when it is known that it does not.
type request struct{ answer chan error }

// New returns the supervisor of an instance. It does nothing until Run. A
// configuration that can't work is fault.Invalid.
func New(cfg Config, log hclog.Logger) (*Supervisor, error) {
	cfg = cfg.withDefaults()
	host, port, err := cfg.address()
	if err != nil {
		return nil, err
	}
	return &Supervisor{
		cfg: cfg, log: log, host: host, port: port,
		board:    newBoard(cfg.Instance),
		progress: newProgress(time.Now()),
		output:   runlog.New(cfg.logsDir(), cfg.Output),
		refresh:  make(chan struct{}, 1),
		used:     make(chan struct{}, 1),
		requests: make(chan request),
		stopped:  make(chan struct{}),
	}, nil
}

// Run supervises until ctx is done and returns once everything that it started
// is gone; an attached Ollama goes on, and so does a unit of systemd. It must be called once. It returns an
// error, fault.Conflict, only when another process holds the instance's folder,
// or when that folder can't be made.
func (s *Supervisor) Run(ctx context.Context) error {
	defer close(s.stopped)
	unlock, err := lock(s.cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	mode := s.decide(ctx)
	s.board.update(func(i *wire.Instance) { i.Mode = string(mode) })
	switch mode {
	case ModeAttached:
		s.runAttached(ctx)
	case ModeSystemd:
		newUnitManager(s).run(ctx)
	default:
		newManager(s).run(ctx)
	}
	s.endpoint.Store(nil)
	s.board.over()
	if mode == ModeManaged {
		s.board.state(wire.InstanceStopped, ReasonStopped, "The agent that ran this Ollama has ended.")
	} else {
		s.board.state(wire.InstanceUnknown, ReasonStopped, "The agent that watched this Ollama has ended.")
	}
	return nil
}

// decide settles ModeAuto.
func (s *Supervisor) decide(ctx context.Context) Mode {
	if s.cfg.Mode != ModeAuto {
		return s.cfg.Mode
	}
	if s.port == 0 {
		return ModeManaged
	}
	c := newClient(s.configuredAddress())
	defer c.close()
	asking, cancel := context.WithTimeout(ctx, s.cfg.Timing.VersionTimeout)
	defer cancel()
	version, err := c.version(asking)
	answers := err == nil && version != ""
	switch {
	case s.mayUseUnit(ctx, answers):
		return ModeSystemd
	case answers:
		return ModeAttached
	}
	return ModeManaged
}

// mayUseUnit reports whether there is a unit of ours to run the Ollama. While one
// answers, it has to be the unit's, or it would be somebody else's.
func (s *Supervisor) mayUseUnit(ctx context.Context, answers bool) bool {
	if !s.cfg.Service {
		return false
	}
	state, err := s.cfg.unit().State(ctx)
	if err != nil {
		s.log.Warn("systemd does not say whether there is a unit for ollama", "unit", s.cfg.unit().Name, "error", err)
		return false
	}
	return state.Load == systemd.LoadLoaded && (!answers || state.Active == systemd.ActiveActive)
}

func (s *Supervisor) configuredAddress() string {
	return net.JoinHostPort(s.host, strconv.Itoa(int(s.port)))
}

// owner names this instance's processes apart from all others on the host.
func (s *Supervisor) owner() string {
	sum := sha256.Sum256([]byte(s.cfg.DataDir + "\x00" + s.cfg.Instance))
	return hex.EncodeToString(sum[:8])
}

// Snapshot returns what is known of the instance. It shares no memory with the
// supervisor.
func (s *Supervisor) Snapshot() wire.Instance {
	i := s.board.snapshot()
	i.InFlight = uint32(s.progress.inFlight())
	return i
}

// Runs reports whether a process runs a model for the instance. It is known where
// GPUs are.
func (s *Supervisor) Runs(pid uint32) bool {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	return slices.Contains(s.board.runners, pid)
}

// Changed returns the channel on which a value arrives after the snapshot has
// changed, one for any number of changes. It is for one receiver. The number of
// requests in flight is not signalled.
func (s *Supervisor) Changed() <-chan struct{} { return s.board.changed }

// Progress returns what the relay reports its requests to.
func (s *Supervisor) Progress() *Progress { return s.progress }

// Logs returns what an Ollama of ours writes.
func (s *Supervisor) Logs() *runlog.Log { return s.output }

// Refresh has the models listed anew, now. It does not wait for it.
func (s *Supervisor) Refresh() {
	select {
	case s.refresh <- struct{}{}:
	default: // one is on its way
	}
}

// Used says that a request was answered, by which a model may have come into
// memory. It does not wait.
func (s *Supervisor) Used() {
	select {
	case s.used <- struct{}{}:
	default: // told already
	}
}

// Endpoint returns where the Ollama serves, as host:port, and false while it
// does not.
func (s *Supervisor) Endpoint() (hostPort string, ok bool) {
	at := s.endpoint.Load()
	if at == nil || !s.board.serves() {
		return "", false
	}
	return *at, true
}

// Restart stops and starts an Ollama of ours and returns when the new one
// serves. Requests in flight fail. For an attached one it is fault.Conflict;
// when the new one does not come up it is fault.Unavailable with the reason.
// When ctx is done first the restart goes on.
func (s *Supervisor) Restart(ctx context.Context) error {
	r := request{answer: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.stopped:
		return fault.New(fault.Unavailable, "the agent is ending")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.answer:
		return err
	case <-s.stopped:
		return fault.New(fault.Unavailable, "the agent is ending")
	case <-ctx.Done():
		return ctx.Err()
	}
}
