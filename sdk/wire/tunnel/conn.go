// Package tunnel turns the WebSocket between an agent and a control plane into
// many streams.
//
// [NewConn] makes a byte stream of the WebSocket's binary messages; [Client]
// and [Server] open a yamux session on it. The agent, which dialled, is the
// client; both sides may open streams.
package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
)

// maxMessage is the largest WebSocket message that is accepted: a yamux frame
// never carries more than one window.
const maxMessage = windowSize + yamuxHeaderSize

// yamuxHeaderSize and the positions in the header are those of yamux's
// specification: version, type, flags, stream id, length.
const (
	yamuxHeaderSize = 12
	yamuxTypeAt     = 1
	yamuxLengthAt   = 8
	yamuxTypeData   = 0
)

// Conn is a net.Conn over a WebSocket's binary messages. One goroutine may read
// while another writes; Close may be called by any.
type Conn struct {
	ws      *websocket.Conn
	message io.Reader // the message that is being read; nil between two
	held    []byte    // a yamux header that waits for its body
}

var _ net.Conn = (*Conn)(nil)

// NewConn takes the WebSocket over. It must not compress.
func NewConn(ws *websocket.Conn) *Conn {
	ws.SetReadLimit(maxMessage)
	return &Conn{ws: ws, held: make([]byte, 0, yamuxHeaderSize+4<<10)}
}

// Read reads from the current message, waiting for the next one at its end. A
// peer that closed properly reads as io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, r, err := c.ws.NextReader()
			if err != nil {
				return 0, readError(err)
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("tunnel: the peer sent a text message")
			}
			c.message = r
		}
		n, err := c.message.Read(p)
		if err == io.EOF {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends p as one message. yamux writes a frame's header and its body
// apart; joining them halves the messages, so a header that announces a body
// waits for it.
func (c *Conn) Write(p []byte) (int, error) {
	if len(c.held) == 0 && announcesBody(p) {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	message := p
	if len(c.held) > 0 {
		c.held = append(c.held, p...)
		message = c.held
	}
	err := c.ws.SetWriteDeadline(time.Now().Add(wire.WriteTimeout))
	if err == nil {
		err = c.ws.WriteMessage(websocket.BinaryMessage, message)
	}
	if cap(c.held) > 64<<10 { // a bulk stream's frame; do not keep its memory
		c.held = make([]byte, 0, yamuxHeaderSize+4<<10)
	}
	c.held = c.held[:0]
	if err != nil {
		return 0, fmt.Errorf("tunnel: write: %w", err)
	}
	return len(p), nil
}

func announcesBody(p []byte) bool {
	return len(p) == yamuxHeaderSize && p[yamuxTypeAt] == yamuxTypeData &&
		binary.BigEndian.Uint32(p[yamuxLengthAt:]) > 0
}

func readError(err error) error {
	if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived) {
		return io.EOF
	}
	return fmt.Errorf("tunnel: read: %w", err)
}

// Close ends the WebSocket at once, without a closing handshake.
func (c *Conn) Close() error { return c.ws.Close() }

// LocalAddr returns the local address of the WebSocket.
func (c *Conn) LocalAddr() net.Addr { return c.ws.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.ws.RemoteAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline of reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.ws.SetReadDeadline(t) }

// SetWriteDeadline has no lasting effect: each Write sets its own.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.ws.SetWriteDeadline(t) }
