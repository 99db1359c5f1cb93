package tunnel

import (
	"errors"
	"fmt"
	"io"

	"github.com/fasthttp/websocket"
)

// messages reads a WebSocket's binary messages as one stream of bytes.
type messages struct {
	ws      *websocket.Conn
	current io.Reader // nil between two messages
}

// Read reads from the current message, waiting for the next one at its end. A
// peer that closed properly reads as io.EOF.
func (m *messages) Read(p []byte) (int, error) {
	for {
		if m.current == nil {
			kind, r, err := m.ws.NextReader()
			if err != nil {
				return 0, readError(err)
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("tunnel: the peer sent a text message")
			}
			m.current = r
		}
		n, err := m.current.Read(p)
		if err == io.EOF {
			m.current, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func readError(err error) error {
	if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived) {
		return io.EOF
	}
	return fmt.Errorf("tunnel: read: %w", err)
}
