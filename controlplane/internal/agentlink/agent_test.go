package agentlink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// agent is the other end, at the level of the protocol.
type agent struct {
	t     *testing.T
	lab   *lab
	key   ed25519.PrivateKey
	hello wire.Hello   // what it says of itself
	skew  atomic.Int64 // how far its clock is off, in milliseconds
	mute  atomic.Bool  // answers no pings
	// steady is that it has a second clock, which is right, and by which it dates samples.
	steady bool

	ws      *websocket.Conn
	mux     *tunnel.Session
	raw     net.Conn // the control stream
	out     *wire.Writer
	frames  chan wire.Frame // what came, but for pings
	handler exchange.Handler
	close   func() // ends the connection at once, and waits for what runs for it
}

// newAgent returns an agent with a key of its own and a token.
func (l *lab) newAgent(name string) *agent {
	l.t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return &agent{t: l.t, lab: l, key: key, hello: wire.Hello{
		Version: wire.Version, Token: l.token(), RunID: "run of " + name, Host: wire.HostFacts{Name: name, Hostname: name, CPUCores: 8},
	}}
}

// clone returns another run with the same key.
func (a *agent) clone(run string) *agent {
	c := &agent{t: a.t, lab: a.lab, key: a.key, hello: a.hello}
	c.hello.RunID, c.hello.Token = run, ""
	return c
}

func (a *agent) id() string { return hostID(a.key.Public().(ed25519.PublicKey)) }

// dial opens the WebSocket and returns the challenge.
func (a *agent) dial() *wire.Challenge {
	a.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+a.lab.address, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	a.ws = ws
	a.close = sync.OnceFunc(func() { ws.Close() })
	a.t.Cleanup(func() { a.close() })
	ws.SetReadDeadline(time.Now().Add(patience))
	challenge, ok := a.read().(*wire.Challenge)
	if !ok {
		a.t.Fatal("no challenge came")
	}
	return challenge
}

func (a *agent) read() wire.Frame {
	a.t.Helper()
	kind, raw, err := a.ws.ReadMessage()
	if err != nil || kind != websocket.BinaryMessage {
		a.t.Fatalf("message of kind %d, error %v", kind, err)
	}
	frame, err := wire.DecodeFrame(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return frame
}

func (a *agent) write(f wire.Frame) {
	a.t.Helper()
	if err := a.ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, f)); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agent) unixMillis() int64 { return time.Now().UnixMilli() + a.skew.Load() }

func (a *agent) steadyMillis() int64 {
	if !a.steady {
		return 0
	}
	return time.Now().UnixMilli()
}

// signed returns the hello for a challenge.
func (a *agent) signed(c *wire.Challenge) *wire.Hello {
	h := a.hello
	h.UnixMillis, h.SteadyMillis = a.unixMillis(), a.steadyMillis()
	h.Sign(a.key, c.Nonce)
	return &h
}

// greet goes through the handshake and returns the control plane's verdict.
func (a *agent) greet() wire.Frame {
	a.t.Helper()
	c := a.dial()
	a.write(a.signed(c))
	return a.read()
}

// connect goes through the handshake and opens the session.
func (a *agent) connect() *wire.Welcome {
	a.t.Helper()
	frame := a.greet()
	welcome, ok := frame.(*wire.Welcome)
	if !ok {
		a.t.Fatalf("not welcome: %+v", frame)
	}
	a.open()
	return welcome
}

func (a *agent) open() {
	a.t.Helper()
	if err := a.tryOpen(); err != nil {
		a.t.Fatal(err)
	}
}

// tryOpen opens the session, which the control plane may end before this returns.
func (a *agent) tryOpen() error {
	a.t.Helper()
	a.ws.SetReadDeadline(time.Time{})
	mux := tunnel.Client(a.ws)
	a.mux, a.close = mux, sync.OnceFunc(func() { mux.Close() })
	control, err := mux.Open()
	if err != nil {
		return err
	}
	a.raw = control
	a.out, a.frames = wire.NewWriter(a.raw), make(chan wire.Frame, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { a.take(wire.NewReader(a.raw)) })
	working.Go(func() {
		for {
			stream, err := mux.Accept()
			if err != nil {
				return
			}
			working.Go(func() { exchange.Serve(ctx, stream, a.handler) })
		}
	})
	a.close = sync.OnceFunc(func() {
		cancel()
		mux.Close()
		working.Wait()
	})
	return nil
}

// take answers pings and keeps every other frame for the test.
func (a *agent) take(in *wire.Reader) {
	defer close(a.frames)
	for {
		frame, err := in.Read()
		if err != nil {
			return
		}
		ping, ok := frame.(*wire.Ping)
		if !ok {
			a.frames <- frame
			continue
		}
		if !a.mute.Load() && a.out.Write(&wire.Pong{ID: ping.ID, UnixMillis: a.unixMillis(), SteadyMillis: a.steadyMillis()}) != nil {
			return
		}
	}
}

func (a *agent) send(f wire.Frame) {
	a.t.Helper()
	if err := a.out.Write(f); err != nil {
		a.t.Fatal(err)
	}
}

// next waits for the next frame that is not a ping.
func (a *agent) next() wire.Frame {
	a.t.Helper()
	return receive(a.t, a.frames, "a frame")
}

// roundTrip returns when everything that was sent before has been taken.
func (a *agent) roundTrip() {
	a.t.Helper()
	a.send(&wire.Ping{ID: 4711})
	if pong, ok := a.next().(*wire.Pong); !ok || pong.ID != 4711 {
		a.t.Fatalf("not the answer to a ping: %+v", pong)
	}
}

// wantCut waits until the control plane has ended the connection.
func (a *agent) wantCut() {
	a.t.Helper()
	select {
	case <-a.mux.Done():
	case <-time.After(patience):
		a.t.Fatal("the connection was not ended")
	}
}

// sample is a reading with a sequence number, taken a while ago.
func (a *agent) sample(seq uint64, ago time.Duration) *wire.Sample {
	return &wire.Sample{Seq: seq, UnixMillis: a.unixMillis() - ago.Milliseconds(), InFlight: uint32(seq)}
}

var errBroken = errors.New("the agent breaks the answer off")

// ollama is an agent's handler for a few paths.
func ollama(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
	switch in.Target {
	case "/ollama/default/api/chat":
		body, err := io.ReadAll(in.Body)
		if err != nil {
			return err
		}
		return out.Send(201, exchange.Fields{{Name: "X-Asked", Value: in.Method + " " + in.Fields.Get("X-Ask")}}, append([]byte("echo "), body...))
	case "/ollama/a%20b%2Fc/":
		return out.Send(200, nil, []byte("root"))
	case "/ollama/default/broken":
		out.Start(200, nil, -1)
		if _, err := out.Write([]byte("half")); err != nil {
			return err
		}
		return errBroken
	case "/ollama/default/endless":
		out.Start(200, nil, -1)
		if _, err := out.Write([]byte("begun")); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	case "/ollama/default/silent":
		<-ctx.Done()
		return ctx.Err()
	case "/ollama/gone/api/chat":
		return out.Send(502, exchange.Fields{{Name: wire.FaultField, Value: "not_found host"}}, []byte("there is no instance \"gone\""))
	case "/ollama/dead/api/chat":
		return out.Send(502, exchange.Fields{{Name: wire.FaultField, Value: "unavailable ollama"}}, []byte("Ollama is starting"))
	case "/logs/default?lines=10&follow=true":
		return out.Send(200, nil, []byte("a line\n"))
	}
	return out.Send(404, nil, []byte(in.Target))
}
