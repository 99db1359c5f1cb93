package agentlink

import (
	"context"
	"errors"
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
// called concurrently once it is among a link's sessions.
type session struct {
	hostID string
	runID  string
	epoch  uint64
	out    *wire.Writer
	calls  *exchange.Client

	ended   chan struct{} // closed when the session is to end
	endOnce sync.Once
	parting atomic.Pointer[fleet.HostState] // what the agent said that becomes of its host; nil is nothing
	doubled atomic.Int64                    // when a second agent with this key was last refused, in Unix milliseconds; 0 is never
	silence atomic.Int32                    // ping intervals since the last frame
	busy    atomic.Int32                    // calls and actions under way
	acked   atomic.Uint64                   // stored up to here

	clocks clocks // of the goroutine that reads
	behind bool   // a sample was not taken; likewise

	mu      sync.Mutex
	nextID  uint64
	probe   probe
	pongs   map[uint64]chan struct{}
	results map[uint64]chan *wire.ActionResult
}

func newSession(hostID, runID string, epoch uint64, c clocks) *session {
	return &session{
		hostID: hostID, runID: runID, epoch: epoch, clocks: c,
		ended: make(chan struct{}),
		pongs: map[uint64]chan struct{}{}, results: map[uint64]chan *wire.ActionResult{},
	}
}

// end has the session's run return.
func (s *session) end() { s.endOnce.Do(func() { close(s.ended) }) }

// send writes a frame to the agent. A failure ends the session: a part of the
// frame may have been sent.
func (s *session) send(f wire.Frame) error {
	err := s.out.Write(f)
	if err != nil {
		s.end()
	}
	return err
}

// run carries a session until either side ends it.
func (l *Link) run(ctx context.Context, s *session, ws *websocket.Conn) error {
	mux := tunnel.Server(ws)
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer mux.Close()
	defer cancel()
	defer context.AfterFunc(ctx, func() { mux.Close() })()
	tooSlow := time.AfterFunc(l.pace.handshake, func() { mux.Close() })
	control, err := mux.Accept()
	tooSlow.Stop()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the agent opened no control stream").On(fault.Host)
	}
	s.out = wire.NewWriter(timedWriter{control})
	s.calls = exchange.NewClient(func(context.Context) (net.Conn, error) { return mux.Open() }, "corral-agent", maxIdleStreams, idleStreamTimeout)
	defer s.calls.Close()
	before, newest := l.replace(s)
	if !newest {
		return nil
	}
	if before != nil {
		before.end()
	}
	if !l.Registry.Connect(s.hostID, s.epoch, l.Now(), s.clocks.wall) {
		l.drop(s)
		return nil // removed since the handshake
	}
	l.Log.Info("agent connected", "host_id", s.hostID, "session_epoch", s.epoch)
	working.Go(func() {
		defer mux.Close()
		l.keepAlive(ctx, s)
	})

	err = l.readControl(control, s)

	s.end()
	l.drop(s)
	l.depart(ctx, s)
	l.Log.Info("agent disconnected", "host_id", s.hostID, "session_epoch", s.epoch, "state", string(s.farewell()), "reason", err.Error())
	return misbehaved(err)
}

// storeTimeout is how long the end of a session may take to be stored.
const storeTimeout = 5 * time.Second

// depart notes when a session ended, whatever ended it, and what the agent said. What becomes of the
// host's state is the registry's to say: it knows whether this was its latest.
func (l *Link) depart(ctx context.Context, s *session) {
	at := l.Now()
	l.Registry.Disconnect(s.hostID, s.epoch, at, s.farewell())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	// A host that was removed has nothing left to be stored with.
	if err := l.Hosts.EndSession(ctx, s.hostID, s.epoch, at, s.said()); err != nil && fault.KindOf(err) != fault.NotFound {
		l.Log.Warn("end of a session not stored", "host_id", s.hostID, "error", err)
	}
}

// timedWriter gives each frame its time: an agent that does not read must not
// hold up those who write to it.
type timedWriter struct{ net.Conn }

// Write implements io.Writer.
func (w timedWriter) Write(p []byte) (int, error) {
	w.SetWriteDeadline(time.Now().Add(wire.WriteTimeout))
	return w.Conn.Write(p)
}

// said returns what the agent said becomes of the host with the session's end, or "".
func (s *session) said() fleet.HostState {
	if said := s.parting.Load(); said != nil {
		return *said
	}
	return ""
}

// farewell returns what becomes of the host with the session's end.
func (s *session) farewell() fleet.HostState {
	switch said := s.said(); {
	case said != "":
		return said
	case s.silence.Load() > wire.SilentPings:
		return fleet.HostAway
	}
	return fleet.HostDisconnected
}

// misbehaved returns what the agent did wrong, and drops the errors by which
// every connection ends.
func misbehaved(err error) error {
	switch {
	case errors.Is(err, wire.ErrFrameTooLarge):
		return fault.Wrap(fault.TooLarge, err, "the agent sent a frame over the cap").On(fault.Host)
	case fault.KindOf(err) == fault.Invalid:
		return err
	}
	return nil
}
