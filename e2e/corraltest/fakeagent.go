package corraltest

import (
	"crypto/ed25519"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// frameLimit is how long a frame may take that a test waits for.
const frameLimit = 10 * time.Second

// Handshake is a connection of somebody who says to be an agent, and has been
// challenged. What it sends is up to the test.
type Handshake struct {
	Challenge *wire.Challenge

	t  testing.TB
	ws *websocket.Conn
}

// Dial connects to the agents' route, without TLS, and reads the challenge.
func (c *ControlPlane) Dial() *Handshake {
	t := c.lab.T
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: frameLimit}
	ws, _, err := dialer.DialContext(t.Context(), "ws://"+c.Address+wire.LinkPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	h := &Handshake{t: t, ws: ws}
	frame, err := h.Receive()
	challenge, ok := frame.(*wire.Challenge)
	if !ok {
		t.Fatalf("the handshake begins with %T, %v", frame, err)
	}
	h.Challenge = challenge
	return h
}

// NewIdentity returns a new agent's key.
func NewIdentity(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Hello returns a proper hello of an agent with this key, for the challenge.
// Whoever changes it has to sign it again.
func (h *Handshake) Hello(key ed25519.PrivateKey, name, token string) *wire.Hello {
	hello := &wire.Hello{
		Version: wire.Version, Token: token, RunID: "run-" + name, UnixMillis: time.Now().UnixMilli(),
		Host: wire.HostFacts{Name: name, Hostname: name, OS: "linux", Arch: "amd64", CPUCores: 4},
	}
	hello.Sign(key, h.Challenge.Nonce)
	return hello
}

// Send sends one frame of the handshake.
func (h *Handshake) Send(f wire.Frame) {
	h.t.Helper()
	h.SendBytes(wire.AppendFrame(nil, f))
}

// SendBytes sends one message, whatever is in it.
func (h *Handshake) SendBytes(message []byte) {
	h.t.Helper()
	if err := h.ws.WriteMessage(websocket.BinaryMessage, message); err != nil {
		h.t.Fatal(err)
	}
}

// Receive returns the next frame of the handshake.
func (h *Handshake) Receive() (wire.Frame, error) {
	h.ws.SetReadDeadline(time.Now().Add(frameLimit))
	_, message, err := h.ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	return wire.DecodeFrame(message)
}

// WantReject reads on and wants to be turned away with this code.
func (h *Handshake) WantReject(code string) *wire.Reject {
	h.t.Helper()
	frame, err := h.Receive()
	reject, ok := frame.(*wire.Reject)
	if !ok || reject.Code != code {
		h.t.Fatalf("got %T %+v, %v; want to be turned away as %s", frame, frame, err, code)
	}
	return reject
}

// Session begins a session after a handshake that is to succeed.
func (h *Handshake) Session() *FakeAgent {
	h.t.Helper()
	frame, err := h.Receive()
	welcome, ok := frame.(*wire.Welcome)
	if !ok {
		h.t.Fatalf("got %T %+v, %v; want a welcome", frame, frame, err)
	}
	h.ws.SetReadDeadline(time.Time{})
	mux := tunnel.Client(h.ws)
	h.t.Cleanup(func() { _ = mux.Close() })
	control, err := mux.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	return &FakeAgent{
		Welcome: welcome, Control: control, Mux: mux,
		t: h.t, in: wire.NewReader(control), out: wire.NewWriter(control),
	}
}

// FakeAgent is an agent's end of a session in which the test decides what is sent.
type FakeAgent struct {
	Welcome *wire.Welcome
	Control net.Conn // the stream below, for what is no frame
	Mux     *tunnel.Session

	t   testing.TB
	in  *wire.Reader
	out *wire.Writer
}

// Send sends one frame.
func (f *FakeAgent) Send(frame wire.Frame) {
	f.t.Helper()
	if err := f.out.Write(frame); err != nil {
		f.t.Fatal(err)
	}
}

// Next returns the next frame.
func (f *FakeAgent) Next() (wire.Frame, error) {
	f.Control.SetReadDeadline(time.Now().Add(frameLimit))
	return f.in.Read()
}

// AwaitAck waits until the samples up to seq are stored.
func (f *FakeAgent) AwaitAck(seq uint64) {
	f.t.Helper()
	for {
		frame, err := f.Next()
		if err != nil {
			f.t.Fatalf("while an ack of %d was waited for: %v", seq, err)
		}
		if ack, ok := frame.(*wire.Ack); ok && ack.Seq >= seq {
			return
		}
	}
}

// WantEnd wants the control plane to end the session.
func (f *FakeAgent) WantEnd() {
	f.t.Helper()
	for {
		_, err := f.Next()
		if err == nil {
			continue
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			f.t.Fatal("the control plane goes on with the session")
		}
		return
	}
}
