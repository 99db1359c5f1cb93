package edge

import "github.com/fasthttp/websocket"

// Message is a WebSocket message ready to be sent, encoded once however many
// sockets send it. It never changes; the zero Message can't be sent.
type Message struct {
	frame *websocket.PreparedMessage
	size  int // bytes of payload
}

// TextMessage returns a text message; data is copied.
func TextMessage(data []byte) Message { return message(websocket.TextMessage, data) }

// BinaryMessage returns a binary message; data is copied.
func BinaryMessage(data []byte) Message { return message(websocket.BinaryMessage, data) }

func message(kind int, data []byte) Message {
	frame, err := websocket.NewPreparedMessage(kind, data)
	if err != nil {
		// Encoding into memory fails for unknown kinds alone, and there are two.
		panic(err)
	}
	return Message{frame: frame, size: len(data)}
}
