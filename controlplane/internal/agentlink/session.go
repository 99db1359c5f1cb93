package agentlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// Kept streams to one agent, and for how long an idle one is kept.
const (
	maxIdleStreams    = 64
	idleStreamTimeout = time.Minute
)

// session is one agent's connection after the handshake. Its methods may be
// called concurrently.
type session struct {
	hostID string
	runID  string
	epoch  uint64
	offset time.Duration // the agent's clock less ours

	ready    chan struct{} // closed when out and calls can be used
	out      *wire.Writer
	calls    *exchange.Client
	ended    chan struct{} // closed when the session is to end
	endOnce  sync.Once
	goodbye  atomic.Bool   // the agent said that it stops
	doubled  atomic.Int64  // when a second agent with this key was last refused, in Unix milliseconds; 0 is never
	silence  atomic.Int32  // ping intervals since the last frame
	acked    atomic.Uint64 // stored up to here
	ackReady chan struct{}

	mu      sync.Mutex
	nextID  uint64
	pongs   map[uint64]chan struct{}
	results map[uint64]chan *wire.ActionResult
}

func newSession(hostID, runID string, epoch uint64, offset time.Duration) *session {
	return &session{
		hostID: hostID, runID: runID, epoch: epoch, offset: offset,
		ready: make(chan struct{}), ended: make(chan struct{}), ackReady: make(chan struct{}, 1),
		pongs: map[uint64]chan struct{}{}, results: map[uint64]chan *wire.ActionResult{},
	}
}

// end has the session's run return.
func (s *session) end() { s.endOnce.Do(func() { close(s.ended) }) }

// run carries a session until either side ends it.
func (l *Link) run(ctx context.Context, s *session, ws *websocket.Conn) error {
	mux, err := tunnel.Server(tunnel.NewConn(ws))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	working.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.ended:
		case <-mux.Done():
		}
		mux.Close()
	})
	tooSlow := time.AfterFunc(wire.HandshakeTimeout, s.end)
	control, err := mux.Accept()
	tooSlow.Stop()
	if err != nil {
		return err
	}
	s.out = wire.NewWriter(control)
	s.calls = exchange.NewClient(func(context.Context) (net.Conn, error) { return mux.Open() }, "corral-agent", maxIdleStreams, idleStreamTimeout)
	close(s.ready)
	if before := l.replace(s); before != nil {
		before.end()
	}
	l.Registry.Connect(s.hostID, s.epoch, l.Now(), s.offset)
	l.Log.Info("agent connected", "host_id", s.hostID, "session_epoch", s.epoch)
	working.Go(func() { l.keepAlive(ctx, s) })

	err = l.readControl(control, s)

	s.end()
	l.drop(s)
	l.Registry.Disconnect(s.hostID, s.epoch, l.Now(), s.farewell())
	l.Log.Info("agent disconnected", "host_id", s.hostID, "session_epoch", s.epoch, "state", string(s.farewell()), "reason", reason(err))
	return errors.Join(ignoreGone(err), s.calls.Close())
}

func (s *session) farewell() fleet.HostState {
	if s.goodbye.Load() {
		return fleet.HostStopped
	}
	return fleet.HostAway
}

func reason(err error) string {
	if err == nil {
		return "closed"
	}
	return err.Error()
}

// ignoreGone drops the errors by which every connection ends.
func ignoreGone(err error) error {
	if errors.Is(err, wire.ErrFrameTooLarge) || fault.KindOf(err) == fault.Invalid {
		return err
	}
	return nil
}

// readControl takes the agent's frames until the stream ends.
func (l *Link) readControl(control io.Reader, s *session) error {
	in := wire.NewReader(control)
	var enc wire.Encoder
	for {
		frame, err := in.Read()
		if err != nil {
			return err
		}
		s.silence.Store(0)
		switch f := frame.(type) {
		case *wire.Sample:
			l.takeSample(s, f, &enc)
		case *wire.Instances:
			l.Registry.Report(s.hostID, s.epoch, l.Now(), instancesOf(f))
		case *wire.Ping:
			if err := s.out.Write(&wire.Pong{ID: f.ID, UnixMillis: l.Now().UnixMilli()}); err != nil {
				return err
			}
		case *wire.Pong:
			s.resolvePong(f.ID)
		case *wire.ActionResult:
			s.resolveAction(f)
		case *wire.Goodbye:
			s.goodbye.Store(true)
		case *wire.Unknown: // of a newer agent
		default:
			return fault.New(fault.Invalid, "the agent sent a %T, which it may not", f).On(fault.Host)
		}
	}
}

// liveFor is how old a sample may be to count as the present. Older ones are a
// reconnecting agent catching up, and only go into the history.
const liveFor = 5 * time.Second

func (l *Link) takeSample(s *session, f *wire.Sample, enc *wire.Encoder) {
	now := l.Now()
	taken := time.UnixMilli(f.UnixMillis).Add(-s.offset)
	if now.Sub(taken) < liveFor {
		l.Registry.Observe(s.hostID, s.epoch, now, sampleOf(f, taken))
	}
	row := fleet.SampleRow{
		HostID: s.hostID, RunID: s.runID, Seq: f.Seq,
		TakenAt: taken, ReceivedAt: now, Payload: enc.AppendSample(nil, f),
	}
	l.History.Append(row, func() { s.stored(f.Seq) })
}

// stored notes that a sample survives, and has the agent told.
func (s *session) stored(seq uint64) {
	for {
		have := s.acked.Load()
		if seq <= have {
			return
		}
		if s.acked.CompareAndSwap(have, seq) {
			break
		}
	}
	select {
	case s.ackReady <- struct{}{}:
	default: // one is waiting already
	}
}

// keepAlive pings, acknowledges, and ends a session whose agent is silent. It
// counts its own ticks, not time: a control plane that was stopped for a minute
// has not seen a minute's silence.
func (l *Link) keepAlive(ctx context.Context, s *session) {
	tick := time.NewTicker(wire.PingInterval)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-s.ackReady:
			err = s.out.Write(&wire.Ack{Seq: s.acked.Load()})
		case <-tick.C:
			if s.silence.Add(1) > wire.SilentPings {
				err = errors.New("silent")
			} else {
				l.forgetDuplicate(s)
				err = s.out.Write(&wire.Ping{ID: s.newID(), UnixMillis: time.Now().UnixMilli()})
			}
		}
		if err != nil {
			s.end()
			return
		}
	}
}

func (s *session) newID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	return s.nextID
}

// ping returns nil when the agent answered.
func (s *session) ping(ctx context.Context) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	id, answered := s.newID(), make(chan struct{})
	s.mu.Lock()
	s.pongs[id] = answered
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pongs, id)
		s.mu.Unlock()
	}()
	if err := s.out.Write(&wire.Ping{ID: id, UnixMillis: time.Now().UnixMilli()}); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-s.ended:
		return errors.New("the session ended")
	case <-ctx.Done():
		return fmt.Errorf("no answer to a ping: %w", ctx.Err())
	}
}

func (s *session) resolvePong(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered := s.pongs[id]; answered != nil {
		delete(s.pongs, id)
		close(answered)
	}
}
