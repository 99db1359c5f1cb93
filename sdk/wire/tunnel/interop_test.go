package tunnel

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/yamux"
)

// foreign is what an implementation of yamux that is not ours needs of a
// WebSocket. It sends whatever it is given as a message of its own.
type foreign struct {
	net.Conn
	ws *websocket.Conn
	in messages
}

func (f *foreign) Read(p []byte) (int, error) { return f.in.Read(p) }

func (f *foreign) Write(p []byte) (int, error) {
	return len(p), f.ws.WriteMessage(websocket.BinaryMessage, p)
}

func newForeign(ws *websocket.Conn) *foreign {
	return &foreign{Conn: ws.NetConn(), ws: ws, in: messages{ws: ws}}
}

func foreignConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	return c
}

// muxer is what both implementations can do.
type muxer struct {
	open, accept func() (net.Conn, error)
}

func TestHashicorpsYamuxUnderstandsUs(t *testing.T) {
	pairs := map[string]func(dialled, accepted *websocket.Conn) (a, b muxer){
		"our client": func(dialled, accepted *websocket.Conn) (a, b muxer) {
			ours := Client(dialled)
			theirs, err := yamux.Server(newForeign(accepted), foreignConfig())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { theirs.Close(); ours.Close() })
			return muxer{ours.Open, ours.Accept}, muxer{theirs.Open, theirs.Accept}
		},
		"our server": func(dialled, accepted *websocket.Conn) (a, b muxer) {
			ours := Server(accepted)
			theirs, err := yamux.Client(newForeign(dialled), foreignConfig())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { theirs.Close(); ours.Close() })
			if _, err := theirs.Ping(); err != nil {
				t.Errorf("their ping: %v", err)
			}
			return muxer{ours.Open, ours.Accept}, muxer{theirs.Open, theirs.Accept}
		},
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			a, b := pair(sockets(t))
			echoes(t, a, b)
			echoes(t, b, a)
		})
	}
}

// echoes sends more than a window over a stream that from opens, and back.
func echoes(t *testing.T, from, to muxer) {
	t.Helper()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	var echo sync.WaitGroup
	echo.Go(func() {
		in, err := to.accept()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.CopyN(in, in, int64(len(sent))); err != nil {
			t.Error(err)
		}
		if _, err := in.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the stream was closed: %v", err)
		}
		in.Close()
	})
	out, err := from.open()
	if err != nil {
		t.Fatal(err)
	}
	echo.Go(func() {
		if _, err := out.Write(sent); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(out, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("what came back differs from what was sent: %v", err)
	}
	out.Close()
	echo.Wait()
}
