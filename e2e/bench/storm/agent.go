package storm

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// An agent that can't connect waits for a random time up to a bound that doubles
// with each failure, as the real one does.
const (
	firstDelay = 500 * time.Millisecond
	longest    = 10 * time.Second
)

// agent belongs to the goroutine that runs it.
type agent struct {
	fleet   *Fleet
	address string
	token   string
	key     ed25519.PrivateKey
	name    string
	joined  bool
}

// refusal is a control plane's no.
type refusal struct{ wire.Reject }

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

// run keeps the agent connected until ctx ends or it is refused for good.
func (a *agent) run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; failures++ {
		welcomed, err := a.connect(ctx)
		if welcomed {
			failures = 0
		}
		bound := longest
		if failures < 10 {
			bound = min(longest, firstDelay<<failures)
		}
		delay := rand.N(bound)
		if no, ok := errors.AsType[*refusal](err); ok {
			if no.RetryAfterMillis == 0 {
				return fmt.Errorf("%s was refused: %w", a.name, err)
			}
			delay += time.Duration(no.RetryAfterMillis) * time.Millisecond
		}
		again := time.NewTimer(delay)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
	return nil
}

// connect carries one connection to its end.
func (a *agent) connect(ctx context.Context) (welcomed bool, err error) {
	dialer := websocket.Dialer{
		Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: wire.HandshakeTimeout,
		ReadBufferSize: 4 << 10, WriteBufferSize: 1 << 10,
	}
	ws, _, err := dialer.DialContext(ctx, "ws://"+a.address+wire.LinkPath, nil)
	if err != nil {
		return false, err
	}
	defer ws.Close()
	unhook := context.AfterFunc(ctx, func() { ws.NetConn().Close() })
	defer unhook()
	if err := a.handshake(ws); err != nil {
		return false, err
	}
	a.joined = true
	return true, a.session(ws)
}

// handshake proves the agent's key.
func (a *agent) handshake(ws *websocket.Conn) error {
	deadline := time.Now().Add(wire.HandshakeTimeout)
	if err := errors.Join(ws.SetReadDeadline(deadline), ws.SetWriteDeadline(deadline)); err != nil {
		return err
	}
	frame, err := receive(ws)
	if err != nil {
		return err
	}
	challenge, ok := frame.(*wire.Challenge)
	if !ok {
		return fmt.Errorf("the handshake begins with %T", frame)
	}
	hello := &wire.Hello{
		Version: wire.Version, RunID: "run-" + a.name, UnixMillis: time.Now().UnixMilli(),
		Host: wire.HostFacts{Name: a.name, Hostname: a.name, OS: "linux", Arch: "amd64", CPUCores: 4},
	}
	if !a.joined {
		hello.Token = a.token
	}
	hello.Sign(a.key, challenge.Nonce)
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, hello)); err != nil {
		return err
	}
	if frame, err = receive(ws); err != nil {
		return err
	}
	switch f := frame.(type) {
	case *wire.Welcome:
		return errors.Join(ws.SetReadDeadline(time.Time{}), ws.SetWriteDeadline(time.Time{}))
	case *wire.Reject:
		return &refusal{*f}
	}
	return fmt.Errorf("a hello was answered with %T", frame)
}

func receive(ws *websocket.Conn) (wire.Frame, error) {
	_, raw, err := ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	return wire.DecodeFrame(raw)
}

// session answers pings until the control plane is gone.
func (a *agent) session(ws *websocket.Conn) error {
	mux := tunnel.Client(ws)
	defer mux.Close()
	control, err := mux.Open()
	if err != nil {
		return err
	}
	out := wire.NewWriter(control)
	if err := out.Write(&wire.Instances{}); err != nil {
		return err
	}
	a.fleet.sessions.Add(1)
	a.fleet.connected.Add(1)
	defer a.fleet.connected.Add(-1)
	for in := wire.NewReader(control); ; {
		frame, err := in.Read()
		if err != nil {
			return err
		}
		ping, ok := frame.(*wire.Ping)
		if !ok {
			continue
		}
		if err := out.Write(&wire.Pong{ID: ping.ID, UnixMillis: time.Now().UnixMilli()}); err != nil {
			return err
		}
	}
}
