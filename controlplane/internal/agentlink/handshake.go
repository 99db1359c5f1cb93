package agentlink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// maxRunID is how long the id of an agent's run may be, in bytes.
const maxRunID = 64

// rejection is a handshake that failed, with what the agent is told.
type rejection struct {
	wire.Reject
	cause error // for our log alone; may be nil
}

func (r *rejection) Error() string {
	if r.cause != nil {
		return r.Message + ": " + r.cause.Error()
	}
	return r.Message
}

func (r *rejection) Unwrap() error { return r.cause }

func reject(code, format string, args ...any) *rejection {
	return &rejection{Reject: wire.Reject{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// Serve runs one agent's connection, from the handshake to its end. It returns
// when everything of the session has ended: nil where it ended as sessions do or
// the agent was refused, which is logged here, and a fault of the host's side
// where the agent broke the protocol.
func (l *Link) Serve(ctx context.Context, ws *websocket.Conn) error {
	s, err := l.handshake(ctx, ws)
	if err != nil {
		return l.refuse(ws, err)
	}
	return l.run(ctx, s, ws)
}

// refuse tells an agent why it is refused, or returns what else ended its handshake.
func (l *Link) refuse(ws *websocket.Conn, err error) error {
	refused, ok := errors.AsType[*rejection](err)
	if !ok {
		return err
	}
	level := hclog.Warn
	if slices.Contains([]string{wire.RejectRemoved, wire.RejectPending}, refused.Code) {
		level = hclog.Debug // as it should be, and asked again and again
	}
	l.Log.Log(level, "agent refused", "code", refused.Code, "error", refused, "address", ws.RemoteAddr().String())
	_ = l.send(ws, &refused.Reject) // whoever was refused may be gone already
	return nil
}

// greeting is an agent's hello, not yet believed, and what it is checked by.
type greeting struct {
	hello  *wire.Hello
	nonce  []byte
	clocks clocks
}

// handshake finds out who is at the other end and makes the session for it.
func (l *Link) handshake(ctx context.Context, ws *websocket.Conn) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, l.pace.handshake)
	defer cancel()
	g, err := l.greet(ws)
	if err != nil {
		return nil, err
	}
	// From here on the handshake costs us something. Strangers who say nothing
	// don't get as far, so that they can't keep agents out.
	patience := time.NewTimer(l.pace.handshake / 2)
	defer patience.Stop()
	select {
	case l.handshakes <- struct{}{}:
		defer func() { <-l.handshakes }()
	case <-patience.C: // those who come again have to be greeted again, which costs as much as the rest
		r := reject(wire.RejectBusy, "too many agents are connecting at once")
		r.RetryAfterMillis = uint32(time.Second.Milliseconds())
		return nil, r
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	if g.hello.Leave {
		return nil, l.release(ctx, g.hello)
	}
	id, err := l.admit(ctx, g.hello)
	if err != nil {
		return nil, err
	}
	if err := l.challengeIncumbent(ctx, id, g.hello); err != nil {
		return nil, err
	}
	return l.welcome(ctx, ws, id, g)
}

// greet challenges the agent and waits for its hello.
func (l *Link) greet(ws *websocket.Conn) (*greeting, error) {
	g := &greeting{nonce: make([]byte, wire.NonceSize)}
	rand.Read(g.nonce) // never fails; see crypto/rand
	asked := l.Now()
	err := l.send(ws, &wire.Challenge{Nonce: g.nonce, MinVersion: wire.MinVersion, MaxVersion: wire.Version, UnixMillis: asked.UnixMilli()})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(wire.MaxHandshakeFrame)
	ws.SetReadDeadline(time.Now().Add(l.pace.handshake))
	kind, raw, err := ws.ReadMessage()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "no hello came").On(fault.Host)
	}
	ws.SetReadDeadline(time.Time{})
	answered := l.Now()
	frame, err := wire.DecodeFrame(raw)
	hello, ok := frame.(*wire.Hello)
	if kind != websocket.BinaryMessage || err != nil || !ok {
		r := reject(wire.RejectMalformed, "a hello was expected here")
		r.cause = err
		return nil, r
	}
	g.hello, g.clocks = hello, readClocks(asked, answered, hello.UnixMillis, hello.SteadyMillis)
	return g, nil
}

// check returns why the hello cannot be believed.
func (g *greeting) check() error {
	h := g.hello
	switch {
	case h.Version < wire.MinVersion || h.Version > wire.Version:
		return reject(wire.RejectVersion, "this control plane speaks versions %d to %d of the agents' protocol, the agent %d; upgrade the older of the two",
			wire.MinVersion, wire.Version, h.Version)
	case !h.Verify(g.nonce):
		return reject(wire.RejectProof, "the agent could not prove that it holds its key")
	case h.RunID == "" || len(h.RunID) > maxRunID:
		return reject(wire.RejectMalformed, "the hello does not name the agent's run in 1 to %d bytes", maxRunID)
	}
	return nil
}

// welcome begins the session.
func (l *Link) welcome(ctx context.Context, ws *websocket.Conn, id string, g *greeting) (*session, error) {
	host, err := l.refreshFacts(ctx, id, factsOf(&g.hello.Host))
	if err != nil {
		return nil, err
	}
	epoch, err := l.Hosts.BeginSession(ctx, id, l.Now())
	if fault.KindOf(err) == fault.NotFound {
		return nil, notJoined()
	}
	if err != nil {
		return nil, fmt.Errorf("begin session of %s: %w", id, err)
	}
	acked, err := l.History.LastSeq(ctx, id, g.hello.RunID)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", id, err)
	}
	l.Registry.SetProblem(id, fleet.Problem{Code: wire.RejectDuplicateIdentity})
	peers := l.PeerTickets.Key()
	err = l.send(ws, &wire.Welcome{
		HostID: id, Name: host.Name, Version: g.hello.Version,
		SessionEpoch: epoch, AckedSeq: acked, CACertificates: l.CACertificates, PeerTicketKey: peers,
	})
	if err != nil {
		return nil, err
	}
	s := newSession(id, g.hello.RunID, epoch, g.clocks)
	s.peers = peers
	return s, nil
}

// send writes one frame of the handshake.
func (l *Link) send(ws *websocket.Conn, f wire.Frame) error {
	ws.SetWriteDeadline(time.Now().Add(l.pace.handshake))
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, f)); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the agent left in the handshake").On(fault.Host)
	}
	return nil
}
