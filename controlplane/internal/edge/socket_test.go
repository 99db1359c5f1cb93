package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/fault"
)

type wsConn = websocket.Conn

func closeCode(err error) int {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return closed.Code
	}
	return 0
}

// say sends a text message of a client.
func say(t *testing.T, c *wsConn, text []byte) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, text); err != nil {
		t.Fatal(err)
	}
}

// ended waits for a parked handler's end, whatever its reason.
func ended(t *testing.T, ends <-chan error) {
	t.Helper()
	if err := await(t, ends, "the handler's end"); err == nil {
		t.Error("a handler ended without a reason")
	}
}

// parked is a socket route whose handler hands over its socket and then reads
// until the end, of which it tells.
func parked() (Route, chan *Socket, chan error) {
	sockets, ends := make(chan *Socket, 10), make(chan error, 10)
	return Route{Path: "/ws", Permission: Read, MaxMessageBytes: 1 << 16, Socket: func(ctx context.Context, _ *Request, s *Socket) error {
		sockets <- s
		for {
			data, _, err := s.Receive()
			if err != nil {
				ends <- err
				return err
			}
			if err := s.Send(TextMessage(append([]byte("got "), data...))); err != nil {
				return err
			}
		}
	}}, sockets, ends
}

func TestSocketConversation(t *testing.T) {
	route, _, ends := parked()
	f := start(t, Snapshot{}, route)
	for _, url := range []string{"/ws", "wss:///ws"} {
		c := f.mustWebsocket(url)
		for i := range 3 {
			say(t, c, fmt.Appendf(nil, "message %d", i))
			if _, data, err := c.ReadMessage(); err != nil || string(data) != fmt.Sprintf("got message %d", i) {
				t.Fatalf("%q, %v", data, err)
			}
		}
		if n := f.Stats().Upgraded; n != 1 {
			t.Errorf("%d upgraded connections are counted", n)
		}
		goodbye := websocket.FormatCloseMessage(CloseNormal, "")
		if err := c.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if err := await(t, ends, "the handler's end"); err != io.EOF {
			t.Errorf("Receive ended with %v", err)
		}
		if _, _, err := c.ReadMessage(); closeCode(err) != CloseNormal {
			t.Errorf("the peer saw %v", err)
		}
		eventually(t, func() bool { s := f.Stats(); return s.Upgraded == 0 && s.OpenConnections == 0 })
	}
}

func TestSocketRefusesWhatIsTooLargeOrNoText(t *testing.T) {
	route, _, ends := parked()
	f := start(t, Snapshot{}, route)
	for _, c := range []struct {
		data string
		code int
		kind fault.Kind
	}{
		{strings.Repeat("x", 1<<16+1), websocket.CloseMessageTooBig, fault.TooLarge},
		{"\xff\xfe", CloseBadData, fault.Invalid},
	} {
		ws := f.mustWebsocket("/ws")
		say(t, ws, []byte(c.data))
		if err := await(t, ends, "the handler's end"); fault.KindOf(err) != c.kind {
			t.Errorf("Receive ended with %v", err)
		}
		if _, _, err := ws.ReadMessage(); closeCode(err) != c.code {
			t.Errorf("the peer saw %v, want %d", err, c.code)
		}
	}
}

// Compression is not agreed on, so a small frame can't become a large message.
func TestSocketsAgreeOnNoCompression(t *testing.T) {
	route, _, _ := parked()
	f := start(t, Snapshot{}, route)
	d := websocket.Dialer{EnableCompression: true}
	c, resp, err := d.Dial("ws://"+f.addr+"/ws", http.Header{"Authorization": {"Bearer LEAKMARKER-admin"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("agreed on %q", got)
	}
}

// Of what is offered, a slow peer gets the newest; what is sent arrives whole.
func TestSocketSendAndOffer(t *testing.T) {
	route, sockets, _ := parked()
	f := start(t, Snapshot{}, route)
	c := f.mustWebsocket("/ws")
	s := await(t, sockets, "the socket")
	blocker := TextMessage([]byte(strings.Repeat("x", 1<<20)))
	for range 7 { // more than the sockets' buffers take at once
		if err := s.Send(blocker); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		s.Offer("metrics", TextMessage(fmt.Appendf(nil, "m%d", i)))
	}
	s.Offer("other", TextMessage([]byte("o")))
	if err := s.Send(TextMessage([]byte("last"))); err != nil {
		t.Fatal(err)
	}
	var got []string
	offers := 0
	for {
		_, data, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if data[0] == 'x' {
			continue
		}
		got = append(got, string(data))
		if data[0] == 'm' {
			offers++
		}
		if string(data) == "o" {
			break
		}
	}
	all := strings.Join(got, " ")
	if !strings.Contains(all, "last") || !strings.HasSuffix(all, "m999 o") || offers > 3 {
		t.Errorf("the peer got %s", all)
	}
}

func TestSlowPeerIsClosed(t *testing.T) {
	route, sockets, ends := parked()
	f := startTuned(t, Snapshot{}, func(s *Server) { s.pace.write = 300 * time.Millisecond }, route)
	big := TextMessage(make([]byte, 1<<20))
	f.mustWebsocket("/ws") // never reads
	s := await(t, sockets, "the socket")
	var err error
	for err == nil {
		err = s.Send(big)
	}
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Send: %v", err)
	}
	ended(t, ends)

	f.mustWebsocket("/ws") // never reads, and the queue is never full
	s = await(t, sockets, "the socket")
	for range 7 {
		if err := s.Send(big); err != nil {
			t.Fatal(err)
		}
	}
	ended(t, ends)
	if err := s.Send(big); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Send on a closed socket: %v", err)
	}
	s.Offer("topic", big)
	s.Close(CloseNormal, "again")
}

// The network can swallow a peer without a word.
func TestSilentPeerIsClosed(t *testing.T) {
	route, _, ends := parked()
	f := startTuned(t, Snapshot{}, func(s *Server) {
		s.pace.ping, s.pace.silence = 50*time.Millisecond, 400*time.Millisecond
	}, route)
	alive := f.mustWebsocket("/ws")
	answered := make(chan error, 1)
	go func() { // reading answers pings
		_, _, err := alive.ReadMessage()
		answered <- err
	}()
	mute := f.mustWebsocket("/ws")
	mute.SetPingHandler(func(string) error { return nil })
	cut := make(chan error, 1)
	go func() {
		_, _, err := mute.ReadMessage()
		cut <- err
	}()
	if err := await(t, ends, "the mute peer's end"); err == io.EOF {
		t.Errorf("a mute peer ended with %v", err)
	}
	say(t, alive, []byte("x")) // is still there
	if err := await(t, answered, "the live peer's answer"); err != nil {
		t.Errorf("a live peer was cut: %v", err)
	}
	if err := await(t, cut, "the mute peer's end"); err == nil {
		t.Error("a mute peer got a message")
	}
}

func TestRevocationClosesSockets(t *testing.T) {
	route, sockets, ends := parked()
	linked := make(chan struct{})
	f := start(t, Snapshot{}, route, Route{Path: "/link", Permission: Read, Upgrade: func(ctx context.Context, _ *Request, c *wsConn) error {
		linked <- struct{}{}
		_, _, err := c.ReadMessage()
		linked <- struct{}{}
		return err
	}})
	c, l := f.mustWebsocket("/ws"), f.mustWebsocket("/link")
	await(t, sockets, "the socket")
	await(t, linked, "the link")
	close(f.keys.gone)
	for _, ws := range []*wsConn{c, l} {
		if _, _, err := ws.ReadMessage(); closeCode(err) != ClosePolicy {
			t.Errorf("the peer saw %v", err)
		}
	}
	ended(t, ends)
	await(t, linked, "the link's end")
}

// What keeps a WebSocket after its handler's return can't reach another client.
func TestNothingLeaksIntoOtherConnections(t *testing.T) {
	conns := make(chan *wsConn, 10)
	f := start(t, Snapshot{}, Route{Path: "/link", Permission: Read, Upgrade: func(_ context.Context, _ *Request, c *wsConn) error {
		conns <- c
		_, _, err := c.ReadMessage()
		return err
	}})
	a := f.mustWebsocket("/link")
	kept := await(t, conns, "the first connection")
	say(t, a, []byte("end"))
	if _, _, err := a.ReadMessage(); closeCode(err) != CloseNormal {
		t.Fatalf("the first client saw %v", err)
	}
	b := f.mustWebsocket("/link")
	await(t, conns, "the second connection")
	eventually(t, func() bool { return kept.WriteMessage(websocket.TextMessage, []byte("SECRET FOR A")) != nil })
	say(t, b, []byte("end"))
	if _, data, err := b.ReadMessage(); closeCode(err) != CloseNormal {
		t.Errorf("the second client got %q, %v", data, err)
	}
}

func TestPreparedMessageServesMany(t *testing.T) {
	route, sockets, _ := parked()
	f := start(t, Snapshot{}, route)
	m := BinaryMessage([]byte("shared"))
	for range 3 {
		c := f.mustWebsocket("/ws")
		if err := await(t, sockets, "the socket").Send(m); err != nil {
			t.Fatal(err)
		}
		if kind, data, err := c.ReadMessage(); kind != websocket.BinaryMessage || string(data) != "shared" {
			t.Errorf("%d %q %v", kind, data, err)
		}
	}
}

func TestShutdown(t *testing.T) {
	route, sockets, ends := parked()
	stream, began := streams(false)
	f := startTuned(t, Snapshot{}, func(s *Server) { s.grace = patience }, route, stream)
	ws := f.mustWebsocket("/ws")
	await(t, sockets, "the socket")
	idle := f.dial()
	exchange(t, idle, head("GET", "/none", "h"))
	c := f.dial()
	io.WriteString(c, head("GET", "/stream", f.addr, keyed))
	s := await(t, began, "the handler")

	f.stop()
	eventually(t, func() bool {
		probe, err := net.Dial("tcp", f.addr)
		if err == nil {
			probe.Close()
		}
		return err != nil
	})
	s.pieces <- "the end" // still flows
	close(s.pieces)
	all, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(all), "the end\r\n0\r\n\r\n") {
		t.Errorf("the stream under way ended as %q, %v", all, err)
	}
	if _, _, err := ws.ReadMessage(); closeCode(err) != CloseRestart {
		t.Errorf("the WebSocket saw %v", err)
	}
	if err := await(t, ends, "the socket handler's end"); err != io.EOF {
		t.Errorf("Receive ended with %v", err)
	}
	f.shutdown()
	if st := f.Stats(); st.OpenConnections != 0 || st.Upgraded != 0 {
		t.Errorf("after the end: %+v", st)
	}
}

func TestShutdownCutsWhatOutlastsTheGrace(t *testing.T) {
	stream, began := streams(false)
	f := start(t, Snapshot{}, stream)
	c := f.dial()
	io.WriteString(c, head("GET", "/stream", f.addr, keyed))
	s := await(t, began, "the handler")
	f.shutdown()
	await(t, s.over, "Close")
	if cause := context.Cause(s.ctx); !errors.Is(cause, ErrShutdown) {
		t.Errorf("the stream ended because %v", cause)
	}
	if all, _ := io.ReadAll(c); strings.HasSuffix(string(all), "0\r\n\r\n") {
		t.Errorf("a cut stream looks complete: %q", all)
	}
}

// lastWords is a stream of nothing but what it has to say when it has to end.
type lastWords struct {
	ctx  context.Context // of its answer
	said bool
}

func (l *lastWords) Read(p []byte) (int, error) {
	<-l.ctx.Done()
	if l.said {
		return 0, io.EOF
	}
	l.said = true
	return copy(p, "farewell"), nil
}

func (*lastWords) Close() error { return nil }

// laggards accepts connections on which the end of an answer takes a while to leave.
type laggards struct{ net.Listener }

func (l laggards) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return laggard{c}, err
}

type laggard struct{ net.Conn }

func (l laggard) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("0\r\n")) {
		time.Sleep(50 * time.Millisecond) // as long as a processor may be busy otherwise
	}
	return l.Conn.Write(p)
}

// What a stream says last at a shutdown arrives, and that it was the last.
func TestShutdownLetsLastWordsArrive(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{}, 1)
	f := startOn(t, laggards{ln}, Snapshot{}, func(*Server) {}, Route{Method: "GET", Path: "/stream", Permission: Read, Handler: func(ctx context.Context, _ *Request) (*Response, error) {
		began <- struct{}{}
		return &Response{Stream: &lastWords{ctx: ctx}}, nil
	}})
	c := f.dial()
	io.WriteString(c, head("GET", "/stream", f.addr, keyed))
	await(t, began, "the handler")
	f.shutdown()
	if all, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(all), "farewell\r\n0\r\n\r\n") {
		t.Errorf("the stream ended as %q, %v", all, err)
	}
}

func TestRunOnlyOnce(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/", Permission: Public, Handler: echo})
	f.raw(head("GET", "/", "h")) // it runs
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(context.Background(), ln); err == nil {
		t.Error("a second Run was let in")
	}
}

// Whoever stops a server may do so before it has begun to serve.
func TestAServerThatIsStoppedAtOnceEnds(t *testing.T) {
	for range 20 {
		start(t, Snapshot{}, Route{Method: "GET", Path: "/", Permission: Public, Handler: echo}).shutdown()
	}
}
