package tunnel

import (
	"net"
	"sync"
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// sockets returns the two ends of a WebSocket over loopback TCP.
func sockets(t testing.TB) (dialled, accepted *websocket.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, over := make(chan *websocket.Conn, 1), make(chan struct{})
	upgrader := websocket.FastHTTPUpgrader{}
	server := &fasthttp.Server{KeepHijackedConns: true, Handler: func(ctx *fasthttp.RequestCtx) {
		if err := upgrader.Upgrade(ctx, func(ws *websocket.Conn) { arrived <- ws; <-over }); err != nil {
			t.Error(err)
		}
	}}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(l) })
	dialled, _, err = websocket.DefaultDialer.Dial("ws://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	accepted = <-arrived
	t.Cleanup(func() {
		dialled.Close()
		accepted.Close()
		close(over)
		l.Close()
		wg.Wait()
	})
	return dialled, accepted
}

func sessions(t testing.TB) (client, server *Session) {
	t.Helper()
	dialled, accepted := sockets(t)
	client, server = Client(dialled), Server(accepted)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// streams returns the two ends of a stream that the server opened.
func streams(t testing.TB) (opened, accepted net.Conn) {
	t.Helper()
	client, server := sessions(t)
	opened, err := server.Open()
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = client.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return opened, accepted
}

// writeFrame sends a frame as a peer would that is not ours.
func writeFrame(t testing.TB, ws *websocket.Conn, h header, body string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.BinaryMessage, append(h.append(nil), body...)); err != nil {
		t.Fatal(err)
	}
}
