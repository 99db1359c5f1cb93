package agentlink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"slices"
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
	peers  ed25519.PublicKey // of the tickets, as the agent was welcomed
	out    *wire.Writer
	calls  *exchange.Client

	ended   chan struct{} // closed when the session is to end
	endOnce sync.Once
	cancel  func() // ends what runs for it

	mux       *tunnel.Session
	attendant tunnel.Attendant
	parting   atomic.Pointer[fleet.HostState] // what the agent said that becomes of its host; nil is nothing
	doubled   atomic.Int64                    // when a second agent with this key was last refused, in Unix milliseconds; 0 is never
	silence   atomic.Int32                    // ping intervals since the last frame
	busy      atomic.Int32                    // calls and actions under way
	acked     atomic.Uint64                   // stored up to here

	clocks clocks // of the goroutine that reads
	behind bool   // a sample was not taken; likewise

	due     atomic.Bool // a heartbeat waits to be sent
	beating sync.Mutex  // held while one is
	slot    int         // of the metronome
	told    uint64      // acknowledged up to here
	over    bool        // no more heartbeats

	mu      sync.Mutex
	owed    []wire.Frame // answers that wait to be sent, the first one on its way; a goroutine is there while there are any
	nextID  uint64
	probe   probe
	pongs   map[uint64]chan struct{}
	results map[uint64]chan *wire.ActionResult
}

func newSession(hostID, runID string, epoch uint64, c clocks) *session {
	return &session{
		hostID: hostID, runID: runID, epoch: epoch, clocks: c,
		ended: make(chan struct{}), cancel: func() {},
		pongs: map[uint64]chan struct{}{}, results: map[uint64]chan *wire.ActionResult{},
	}
}

// end has the session's run return.
func (s *session) end() {
	s.endOnce.Do(func() {
		close(s.ended)
		s.cancel()
	})
}

// send writes a frame to the agent. A failure ends the session: a part of the
// frame may have been sent.
func (s *session) send(f wire.Frame) error {
	err := s.out.Write(f)
	if err != nil {
		s.end()
	}
	return err
}

// maxOwed is how many answers to an agent may wait to be sent.
const maxOwed = 64

// answer has a frame sent soon, by a courier: the goroutine that receives, which calls
// it, must not wait for the agent to read.
func (l *Link) answer(s *session, f wire.Frame) error {
	s.mu.Lock()
	s.owed = append(s.owed, f)
	owed := len(s.owed)
	s.mu.Unlock()
	if owed > maxOwed {
		return fault.New(fault.Invalid, "the agent asks more than it reads").On(fault.Host)
	}
	if owed == 1 {
		l.couriers.hand(s.sendOwed)
	}
	return nil
}

// sendOwed sends what is owed until nothing is.
func (s *session) sendOwed() {
	for more := true; more; {
		s.mu.Lock()
		f := s.owed[0]
		s.mu.Unlock()
		_ = s.send(f) // a failure has ended the session
		s.mu.Lock()
		s.owed = slices.Delete(s.owed, 0, 1)
		if more = len(s.owed) > 0; !more {
			s.owed = nil
		}
		s.mu.Unlock()
	}
}

// errReplaced ends the session of a handshake that a later one has overtaken, and
// that of a host that was removed meanwhile.
var errReplaced = errors.New("agentlink: the host has a newer session, or is gone")

// run carries a session until either side ends it. All of it but what is sent is done
// by the caller's goroutine, and little of its stack is used in the meantime: of what
// an agent costs that does nothing, stacks are the most.
func (l *Link) run(ctx context.Context, s *session, ws *websocket.Conn) error {
	release := l.open(ctx, s, ws)
	return l.closed(ctx, s, s.mux.Attend(s.attendant), release)
}

// open makes a session ready to be attended. It ends with ctx, and what is returned
// ends it and returns when all of it has ended.
func (l *Link) open(ctx context.Context, s *session, ws *websocket.Conn) (release func()) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.mux = tunnel.Listen(ws)
	stop := context.AfterFunc(ctx, func() { s.mux.Close() })
	tooSlow := time.AfterFunc(l.pace.handshake, s.end)
	s.attendant = func(control net.Conn) (func([]byte) error, error) {
		tooSlow.Stop()
		return l.begin(s, control)
	}
	return func() {
		tooSlow.Stop()
		s.end()
		stop()
		s.mux.Close()
	}
}

// closed cleans up after a session that ended with err.
func (l *Link) closed(ctx context.Context, s *session, err error, release func()) error {
	release()
	switch {
	case errors.Is(err, errReplaced):
		return nil
	case s.calls == nil:
		return fault.Wrap(fault.Unavailable, err, "the agent opened no control stream").On(fault.Host)
	}
	l.stopBeating(s)
	l.drop(s)
	l.depart(ctx, s)
	s.calls.Close()
	l.Log.Info("agent disconnected", "host_id", s.hostID, "session_epoch", s.epoch, "state", string(s.farewell()), "reason", err.Error())
	return misbehaved(err)
}

// begin makes a session its host's, in place of the one before, and returns what takes
// the agent's frames.
func (l *Link) begin(s *session, control net.Conn) (take func(p []byte) error, err error) {
	s.out = wire.NewWriter(timedWriter{control})
	s.calls = exchange.NewClient(func(context.Context) (net.Conn, error) { return s.mux.Open() }, "corral-agent", maxIdleStreams, idleStreamTimeout)
	before, newest := l.replace(s)
	if !newest {
		return nil, errReplaced
	}
	if before != nil {
		before.end()
	}
	if !l.Registry.Connect(s.hostID, s.epoch, l.Now(), s.clocks.wall) {
		l.drop(s)
		return nil, errReplaced // removed since the handshake
	}
	l.Log.Info("agent connected", "host_id", s.hostID, "session_epoch", s.epoch)
	l.metronome.add(s)
	l.catchUpPeerTickets(s)
	return l.takeControl(s), nil
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
