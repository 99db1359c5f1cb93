package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// reportInterval is how often instances and GPUs are reported when nothing changes.
const reportInterval = 10 * time.Second

// connect carries one connection from the dialling to its end.
func (u *Uplink) connect(ctx context.Context, server *url.URL) error {
	ws, err := u.dial(ctx, server)
	if err != nil {
		return err
	}
	defer ws.Close() // the end in every case; a session has closed it already
	welcome, err := u.handshake(ctx, ws)
	if err != nil {
		return err
	}
	u.rota.answered()
	u.setStatus(Status{Connected: true, Server: server.String(), Since: time.Now()})
	u.Log.Info("connected to the control plane", "server", server.String(), "host_id", welcome.HostID, "host", welcome.Name, "session_epoch", welcome.SessionEpoch)
	u.tellPeerTickets(welcome.PeerTicketKey)
	return u.session(ctx, ws, welcome)
}

func (u *Uplink) tellPeerTickets(key []byte) {
	if u.PeerTickets != nil {
		u.PeerTickets(key)
	}
}

// farewellTimeout is how long an agent that stops waits for the control plane:
// for a welcome that is on its way, since a token works once, and for the end of
// a session that it said goodbye to.
const farewellTimeout = time.Second

// handshake proves the agent's key, and returns the control plane's welcome when
// what it says is kept.
func (u *Uplink) handshake(ctx context.Context, ws *websocket.Conn) (*wire.Welcome, error) {
	frame, err := u.prove(ctx, ws, false)
	if err != nil {
		return nil, err
	}
	switch f := frame.(type) {
	case *wire.Reject:
		if f.Code == wire.RejectNotJoined || f.Code == wire.RejectPending { // it was removed, if it ever was one of the fleet's
			u.tellPeerTickets(nil)
		}
		return nil, &refusal{*f}
	case *wire.Welcome:
		err := u.Identity.SaveJoined(identity.Membership{
			HostID: f.HostID, Name: f.Name, CACertificates: f.CACertificates, Servers: u.addresses(),
		})
		if err != nil {
			return nil, fmt.Errorf("save what was learnt at joining: %w", err)
		}
		return f, errors.Join(ws.SetReadDeadline(time.Time{}), ws.SetWriteDeadline(time.Time{}))
	}
	return nil, unexpected(frame)
}

// prove proves the agent's key, to leave or to have a session, and returns the
// control plane's answer.
func (u *Uplink) prove(ctx context.Context, ws *websocket.Conn, leave bool) (wire.Frame, error) {
	ws.SetReadLimit(1 << 20) // the welcome carries certificates
	deadline := time.Now().Add(wire.HandshakeTimeout)
	if err := errors.Join(ws.SetReadDeadline(deadline), ws.SetWriteDeadline(deadline)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { ws.SetReadDeadline(time.Now().Add(farewellTimeout)) })
	defer stop()
	challenge, err := receiveChallenge(ws)
	switch {
	case err != nil:
		return nil, err
	case challenge.MaxVersion < wire.MinVersion || challenge.MinVersion > wire.Version:
		return nil, fault.New(fault.Conflict, "the control plane speaks versions %d to %d of the agents' protocol, this agent %d to %d; upgrade the older of the two", challenge.MinVersion, challenge.MaxVersion, wire.MinVersion, wire.Version)
	}
	hello, err := u.hello(ctx, challenge, leave)
	if err != nil {
		return nil, err
	}
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, hello)); err != nil {
		return nil, fmt.Errorf("send hello: %w", err)
	}
	return receive(ws)
}

func (u *Uplink) hello(ctx context.Context, challenge *wire.Challenge, leave bool) (*wire.Hello, error) {
	facts, err := u.Facts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read host facts: %w", err)
	}
	hello := &wire.Hello{
		Version: min(wire.Version, challenge.MaxVersion),
		RunID:   u.runID, UnixMillis: time.Now().UnixMilli(), Host: facts, Leave: leave,
	}
	if u.Steady != nil { // nobody dates samples who only joins
		hello.SteadyMillis = u.Steady().UnixMilli()
	}
	if !leave && !u.Identity.Joined() {
		hello.Token = u.Token
	}
	hello.Sign(u.Identity.PrivateKey(), challenge.Nonce)
	return hello, nil
}

func receive(ws *websocket.Conn) (wire.Frame, error) {
	kind, raw, err := ws.ReadMessage()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the control plane broke the handshake off")
	}
	if kind != websocket.BinaryMessage {
		return nil, fault.New(fault.Unavailable, "the control plane sent text in the handshake")
	}
	return wire.DecodeFrame(raw)
}

func receiveChallenge(ws *websocket.Conn) (*wire.Challenge, error) {
	frame, err := receive(ws)
	if err != nil {
		return nil, err
	}
	if challenge, ok := frame.(*wire.Challenge); ok {
		return challenge, nil
	}
	return nil, unexpected(frame)
}

func unexpected(f wire.Frame) error {
	return fault.New(fault.Unavailable, "the control plane sent a %T, which does not belong there", f)
}

// session is one connection after the handshake.
type session struct {
	*Uplink
	out     *wire.Writer
	silence atomic.Int32 // ping intervals since the last frame
	sentSeq uint64
	frame   []byte // memory of the sample that is being sent
}

// session runs until either side ends it or ctx ends.
func (u *Uplink) session(ctx context.Context, ws *websocket.Conn, welcome *wire.Welcome) error {
	mux := tunnel.Client(ws)
	outer := ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	defer working.Wait()
	defer mux.Close()
	defer cancel()
	control, err := mux.Open()
	if err != nil {
		return err
	}
	u.Samples.Forget(welcome.AckedSeq)
	s := &session{Uplink: u, out: wire.NewWriter(timedWriter{control}), sentSeq: welcome.AckedSeq}

	ended := make(chan error, 3)
	working.Go(func() { ended <- s.receive(ctx, control, &working) })
	working.Go(func() { ended <- s.send(ctx) })
	working.Go(func() {
		for {
			stream, err := mux.Accept()
			if err != nil {
				ended <- err
				return
			}
			working.Go(func() { u.Serve(ctx, stream) })
		}
	})
	select {
	case <-outer.Done():
		return s.goodbye(mux, control, farewell(outer))
	case err := <-ended:
		return err
	}
}

// farewell says why a session ends with its context.
func farewell(ctx context.Context) *wire.Goodbye {
	if cause := context.Cause(ctx); errors.Is(cause, ErrAsleep) {
		return &wire.Goodbye{Reason: cause.Error(), Asleep: true}
	}
	return &wire.Goodbye{Reason: "the agent stops"}
}

// goodbye says why the agent is not there from now on and ends the control stream.
// It returns when the control plane, having read all of it, has ended the session: a
// socket that is closed earlier may take the goodbye with it.
func (s *session) goodbye(mux *tunnel.Session, control io.Closer, farewell *wire.Goodbye) error {
	late := time.AfterFunc(farewellTimeout, func() { mux.Close() })
	defer late.Stop()
	if err := s.out.Write(farewell); err != nil {
		return err
	}
	if err := control.Close(); err != nil {
		return err
	}
	<-mux.Done()
	return nil
}

// timedWriter writes to a stream whose reader may have stopped reading: it
// would block for ever once the stream's window is full.
type timedWriter struct{ stream net.Conn }

func (w timedWriter) Write(p []byte) (int, error) {
	w.stream.SetWriteDeadline(time.Now().Add(wire.WriteTimeout))
	return w.stream.Write(p)
}

// send carries samples, reports and pings up.
func (s *session) send(ctx context.Context) error {
	ping := time.NewTicker(wire.PingInterval)
	defer ping.Stop()
	report := time.NewTicker(reportInterval)
	defer report.Stop()
	if rand.N(4) == 0 { // so that no control plane comes to rely on knowing every frame
		if err := s.out.Write(&wire.Unknown{Number: 1000 + rand.N[uint32](1000)}); err != nil {
			return err
		}
	}
	leaving := s.Leaving
	select {
	case <-leaving: // before the report, which would have requests come
		leaving = nil
		if err := s.leave(); err != nil {
			return err
		}
	default:
	}
	if err := errors.Join(s.report(), s.out.Write(s.GPUs()), s.sendSamples()); err != nil {
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Samples.Added():
			err = s.sendSamples()
		case <-s.Changed:
			err = s.report()
		case <-s.GPUsChanged:
			err = s.out.Write(s.GPUs())
		case <-leaving:
			leaving = nil
			err = s.leave()
		case <-report.C:
			err = errors.Join(s.report(), s.out.Write(s.GPUs()))
		case now := <-ping.C:
			if s.silence.Add(1) > wire.SilentPings {
				return fault.New(fault.Unavailable, "the control plane has fallen silent")
			}
			err = s.out.Write(&wire.Ping{UnixMillis: now.UnixMilli()})
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) report() error { return s.out.Write(&wire.Instances{List: s.Instances()}) }

// leave has nothing new sent to this agent.
func (s *session) leave() error {
	return s.out.Write(&wire.Leaving{GraceMillis: uint32(s.Grace.Milliseconds())})
}

// sendSamples sends what was not sent in this session.
func (s *session) sendSamples() error {
	for {
		seq, frame := s.Samples.After(s.sentSeq, s.frame[:0])
		if seq == s.sentSeq {
			return nil
		}
		s.frame = frame
		if err := s.out.WriteEncoded(frame); err != nil {
			return err
		}
		s.sentSeq = seq
	}
}

// receive takes the control plane's frames until the stream ends.
func (s *session) receive(ctx context.Context, control io.Reader, working *sync.WaitGroup) error {
	in := wire.NewReader(control)
	for {
		frame, err := in.Read()
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "the connection to the control plane ended")
		}
		s.silence.Store(0)
		switch f := frame.(type) {
		case *wire.Ack:
			s.Samples.Forget(f.Seq)
		case *wire.Ping:
			if err := s.out.Write(&wire.Pong{ID: f.ID, UnixMillis: time.Now().UnixMilli(), SteadyMillis: s.Steady().UnixMilli()}); err != nil {
				return err
			}
		case *wire.Action:
			working.Go(func() { s.act(ctx, f) })
		case *wire.PeerTickets:
			s.tellPeerTickets(f.Key)
		default: // a pong, or of a newer control plane
		}
	}
}

// act carries an action out and tells how it ended. A session that ended
// meanwhile has nobody left to tell.
func (s *session) act(ctx context.Context, a *wire.Action) {
	result := &wire.ActionResult{ID: a.ID, Code: fault.None.String()}
	if err := s.Act(ctx, a); err != nil {
		result.Code, result.Message = fault.KindOf(err).String(), fault.MessageOf(err)
		s.Log.Warn("action failed", "action", a.Kind, "instance", a.Instance, "error", err)
	}
	if err := s.out.Write(result); err != nil {
		s.Log.Debug("action result not delivered", "action", a.Kind, "error", err)
	}
}
