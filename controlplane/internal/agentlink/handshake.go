package agentlink

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// duplicateRetry is how long an agent whose identity is taken stays away.
const duplicateRetry = 30 * time.Second

// rejection is a handshake that failed, with what the agent is told.
type rejection struct {
	wire.Reject
	cause error
}

func (r *rejection) Error() string {
	if r.cause != nil {
		return r.Code + ": " + r.cause.Error()
	}
	return r.Code + ": " + r.Message
}

func reject(code, format string, args ...any) *rejection {
	return &rejection{Reject: wire.Reject{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// Serve runs one agent's connection, from the handshake to its end. It returns
// when the session has ended, with nil where it ended as sessions do.
func (l *Link) Serve(ctx context.Context, ws *websocket.Conn) error {
	s, err := l.handshake(ctx, ws)
	if err != nil {
		var r *rejection
		if errors.As(err, &r) {
			// The agent's owner reads the reason there; it is logged here as well.
			return errors.Join(err, send(ws, &r.Reject))
		}
		return err
	}
	return l.run(ctx, s, ws)
}

// handshake finds out who is at the other end and makes the session for it.
func (l *Link) handshake(ctx context.Context, ws *websocket.Conn) (*session, error) {
	select {
	case l.handshakes <- struct{}{}:
		defer func() { <-l.handshakes }()
	default:
		r := reject(wire.RejectBusy, "too many agents are connecting at once")
		r.RetryAfterMillis = uint32(time.Second.Milliseconds())
		return nil, r
	}
	ctx, cancel := context.WithTimeout(ctx, wire.HandshakeTimeout)
	defer cancel()
	hello, offset, err := l.receiveHello(ws)
	if err != nil {
		return nil, err
	}
	host, err := l.admit(ctx, hello)
	if err != nil {
		return nil, err
	}
	if err := l.challengeIncumbent(ctx, host, hello); err != nil {
		return nil, err
	}
	return l.welcome(ctx, ws, host, hello, offset)
}

// receiveHello challenges the agent and checks its proof. It returns the hello
// and how far the agent's clock is from ours.
func (l *Link) receiveHello(ws *websocket.Conn) (*wire.Hello, time.Duration, error) {
	nonce := make([]byte, wire.NonceSize)
	rand.Read(nonce) // never fails; see crypto/rand
	asked := l.Now()
	challenge := &wire.Challenge{Nonce: nonce, MinVersion: wire.MinVersion, MaxVersion: wire.Version, UnixMillis: asked.UnixMilli()}
	if err := send(ws, challenge); err != nil {
		return nil, 0, err
	}
	ws.SetReadLimit(wire.MaxHandshakeFrame)
	if err := ws.SetReadDeadline(asked.Add(wire.HandshakeTimeout)); err != nil {
		return nil, 0, fmt.Errorf("set handshake deadline: %w", err)
	}
	kind, raw, err := ws.ReadMessage()
	if err != nil {
		return nil, 0, fmt.Errorf("read hello: %w", err)
	}
	now := l.Now()
	frame, err := wire.DecodeFrame(raw)
	hello, ok := frame.(*wire.Hello)
	switch {
	case kind != websocket.BinaryMessage || err != nil || !ok:
		r := reject(wire.RejectMalformed, "a hello was expected here")
		r.cause = err
		return nil, 0, r
	case hello.Version < wire.MinVersion || hello.Version > wire.Version:
		return nil, 0, reject(wire.RejectVersion, "this control plane speaks versions %d to %d of the agents' protocol, the agent %d; upgrade the older of the two", wire.MinVersion, wire.Version, hello.Version)
	case !hello.Verify(nonce):
		return nil, 0, reject(wire.RejectProof, "the agent could not prove that it holds its key")
	case hello.RunID == "" || len(hello.RunID) > 64:
		return nil, 0, reject(wire.RejectMalformed, "the hello names no run")
	}
	if err := ws.SetReadDeadline(time.Time{}); err != nil {
		return nil, 0, fmt.Errorf("clear handshake deadline: %w", err)
	}
	middle := asked.Add(now.Sub(asked) / 2) // the agent read its clock about half a round trip ago
	return hello, time.UnixMilli(hello.UnixMillis).Sub(middle), nil
}

// hostID derives a host's id from its key: the key is the identity, and a
// second joining with the same key is the same host.
func hostID(publicKey []byte) string {
	sum := sha256.Sum256(append([]byte("corral host "), publicKey...))
	return "h_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:13]))
}

// admit finds the host with the hello's key, or has it join by its token.
func (l *Link) admit(ctx context.Context, hello *wire.Hello) (fleet.Host, error) {
	id := hostID(hello.PublicKey)
	known, err := l.Registry.Find(id)
	if err == nil && known.ID == id {
		host := known.Host
		host.Facts = factsOf(&hello.Host)
		if err := l.Hosts.SaveHost(ctx, host); err != nil {
			return fleet.Host{}, fmt.Errorf("save host %s: %w", id, err)
		}
		return host, nil
	}
	if hello.Token == "" {
		return fleet.Host{}, reject(wire.RejectNotJoined, "this agent has not joined here; start it with --token and a token from `corral-controlplane token create`")
	}
	token, err := wire.ParseJoinToken(hello.Token)
	if err != nil {
		return fleet.Host{}, reject(wire.RejectToken, "%s", err)
	}
	name := hello.Host.Name
	if name == "" {
		name = hello.Host.Hostname
	}
	now := l.Now()
	host, err := l.Hosts.Enrol(ctx, token.Hash(), now, fleet.Host{
		ID: id, Name: name, PublicKey: hello.PublicKey, Labels: labelsOf(hello.Host.Labels),
		JoinedAt: now, SeenAt: now, Facts: factsOf(&hello.Host),
	})
	switch {
	case fault.KindOf(err) == fault.Unauthenticated:
		r := reject(wire.RejectToken, "%s", fault.MessageOf(err))
		r.cause = err
		return fleet.Host{}, r
	case err != nil:
		return fleet.Host{}, fmt.Errorf("enrol host: %w", err)
	}
	l.Log.Info("host joined", "host_id", host.ID, "host", host.Name)
	return host, nil
}

// challengeIncumbent refuses a second agent with the key of one that is alive.
// The same run reconnecting, or an incumbent that no longer answers, makes way.
func (l *Link) challengeIncumbent(ctx context.Context, host fleet.Host, hello *wire.Hello) error {
	incumbent, err := l.session(host.ID)
	if err != nil || incumbent.runID == hello.RunID {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wire.PingInterval)
	defer cancel()
	if incumbent.ping(ctx) != nil {
		return nil
	}
	incumbent.doubled.Store(l.Now().UnixMilli())
	l.Registry.SetProblem(host.ID, fleet.Problem{
		Code:    wire.RejectDuplicateIdentity,
		Message: fmt.Sprintf("a second agent, on %q, uses this host's key; its data directory was cloned. Remove the agent.key and joined.json there and join it anew", hello.Host.Hostname),
	})
	r := reject(wire.RejectDuplicateIdentity, "another agent with this key is connected, so this data directory is a clone; remove its agent.key and joined.json and join with a new token")
	r.RetryAfterMillis = uint32(duplicateRetry.Milliseconds())
	return r
}

// forgetDuplicate takes the problem back once the clone has not shown up for
// longer than it was told to stay away.
func (l *Link) forgetDuplicate(s *session) {
	seen := s.doubled.Load()
	if seen != 0 && l.Now().Sub(time.UnixMilli(seen)) > 2*duplicateRetry {
		s.doubled.Store(0)
		l.Registry.SetProblem(s.hostID, fleet.Problem{Code: wire.RejectDuplicateIdentity})
	}
}

// welcome begins the session.
func (l *Link) welcome(ctx context.Context, ws *websocket.Conn, host fleet.Host, hello *wire.Hello, offset time.Duration) (*session, error) {
	epoch, err := l.Hosts.BeginSession(ctx, host.ID)
	if err != nil {
		return nil, fmt.Errorf("begin session of %s: %w", host.ID, err)
	}
	acked, err := l.History.LastSeq(ctx, host.ID, hello.RunID)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", host.ID, err)
	}
	l.Registry.Put(host)
	l.Registry.SetProblem(host.ID, fleet.Problem{Code: wire.RejectDuplicateIdentity})
	err = send(ws, &wire.Welcome{
		HostID: host.ID, Name: host.Name, Version: hello.Version,
		SessionEpoch: epoch, AckedSeq: acked, CACertificates: l.CACertificates,
	})
	if err != nil {
		return nil, err
	}
	return newSession(host.ID, hello.RunID, epoch, offset), nil
}

// send writes one frame of the handshake.
func send(ws *websocket.Conn, f wire.Frame) error {
	if err := ws.SetWriteDeadline(time.Now().Add(wire.HandshakeTimeout)); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, f)); err != nil {
		return fmt.Errorf("send %T: %w", f, err)
	}
	return nil
}
