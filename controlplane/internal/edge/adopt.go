package edge

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/fasthttp/websocket"
)

// linkReadBuffer is how much an agent's WebSocket reads at once. Bodies that are
// larger are read past it.
const linkReadBuffer = 2 << 10

var errEager = errors.New("edge: the peer spoke before the WebSocket was open")

// adopt returns the WebSocket anew, right on the connection. What fasthttp has of
// a hijacked connection, its reader above all, is as large as the largest head of a
// request, and ten thousand agents would hold that for as long as they are there.
// The WebSocket must not have been used, and its peer not have said anything: what
// waits in that reader would be lost.
func (s *Server) adopt(c *conn, ws *websocket.Conn) (*websocket.Conn, error) {
	if err := unread(ws.NetConn()); err != nil {
		return nil, err
	}
	up := websocket.Upgrader{ReadBufferSize: linkReadBuffer, WriteBufferPool: s.writeBuffers}
	agreed := http.Header{}
	if name := ws.Subprotocol(); name != "" {
		agreed.Set("Sec-WebSocket-Protocol", name)
	}
	// The peer has had its answer; what matters is that this one is well formed.
	asked := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}}
	return up.Upgrade(&adopted{conn: &muted{conn: c}}, asked, agreed)
}

// unread returns an error if there is anything to read.
func unread(c net.Conn) error {
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.Join(errEager, err)
	}
	return c.SetReadDeadline(time.Time{})
}

// adopted is a response that nobody gets.
type adopted struct {
	http.ResponseWriter
	conn *muted
}

// Hijack implements [http.Hijacker].
func (a *adopted) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nothing := bytes.NewReader(nil)
	return a.conn, bufio.NewReadWriter(bufio.NewReaderSize(nothing, 16), bufio.NewWriterSize(a.conn, 16)), nil
}

// muted is a connection whose first write goes nowhere.
type muted struct {
	*conn
	open bool
}

// Write implements net.Conn.
func (m *muted) Write(p []byte) (int, error) {
	if !m.open {
		m.open = true
		return len(p), nil
	}
	return m.conn.Write(p)
}
