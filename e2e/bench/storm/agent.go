package storm

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
)

// An agent that can't connect waits for a random time up to a bound that doubles
// with each failure, as the real one does.
const (
	firstDelay = 500 * time.Millisecond
	longest    = 9 * time.Second
)

// agent belongs to the goroutine that runs it.
type agent struct {
	fleet   *Fleet
	address string
	token   string
	key     ed25519.PrivateKey
	name    string
	joined  bool
	machine *machine // what the agent tells of, or nil
	kept    *kept
	trust   *tls.Config // nil is without TLS
	fault   atomic.Pointer[Fault]
	cut     atomic.Pointer[func()] // ends the session, if there is one
}

// refusal is a control plane's no.
type refusal struct{ wire.Reject }

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

// run keeps the agent connected until ctx ends or it is refused for good.
func (a *agent) run(ctx context.Context) error {
	var sampling sync.WaitGroup
	defer sampling.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	if a.machine != nil {
		sampling.Go(func() { a.sample(ctx) })
	}
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
		_ = pause(ctx, delay) // what cuts it short ends the loop too
	}
	return nil
}

// connect carries one connection to its end.
func (a *agent) connect(ctx context.Context) (welcomed bool, err error) {
	dialer := websocket.Dialer{
		Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: wire.HandshakeTimeout,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, TLSClientConfig: a.trust,
	}
	scheme := "ws://"
	if a.trust != nil {
		scheme = "wss://"
	}
	ws, _, err := dialer.DialContext(ctx, scheme+a.address+wire.LinkPath, nil)
	if err != nil {
		return false, err
	}
	defer ws.Close()
	unhook := context.AfterFunc(ctx, func() { ws.NetConn().Close() })
	defer unhook()
	welcome, err := a.handshake(ws)
	if err != nil {
		return false, err
	}
	a.joined = true
	return true, a.session(ctx, ws, welcome.AckedSeq)
}

// handshake proves the agent's key.
func (a *agent) handshake(ws *websocket.Conn) (*wire.Welcome, error) {
	deadline := time.Now().Add(wire.HandshakeTimeout)
	if err := errors.Join(ws.SetReadDeadline(deadline), ws.SetWriteDeadline(deadline)); err != nil {
		return nil, err
	}
	frame, err := receive(ws)
	if err != nil {
		return nil, err
	}
	challenge, ok := frame.(*wire.Challenge)
	if !ok {
		return nil, fmt.Errorf("the handshake begins with %T", frame)
	}
	hello := &wire.Hello{
		Version: wire.Version, RunID: "run-" + a.name, UnixMillis: a.now().UnixMilli(),
		Host: wire.HostFacts{Name: a.name, Hostname: a.name, OS: "linux", Arch: "amd64", CPUCores: 4},
	}
	if a.machine != nil {
		hello.Host = a.machine.facts(a.name)
	}
	if !a.joined {
		hello.Token = a.token
	}
	hello.Sign(a.key, challenge.Nonce)
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, hello)); err != nil {
		return nil, err
	}
	if frame, err = receive(ws); err != nil {
		return nil, err
	}
	switch f := frame.(type) {
	case *wire.Welcome:
		return f, errors.Join(ws.SetReadDeadline(time.Time{}), ws.SetWriteDeadline(time.Time{}))
	case *wire.Reject:
		return nil, &refusal{*f}
	}
	return nil, fmt.Errorf("a hello was answered with %T", frame)
}

func receive(ws *websocket.Conn) (wire.Frame, error) {
	_, raw, err := ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	return wire.DecodeFrame(raw)
}
