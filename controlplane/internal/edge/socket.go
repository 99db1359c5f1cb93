package edge

import (
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/fault"
)

// WebSocket close codes that the edge and its callers use.
const (
	CloseNormal      = websocket.CloseNormalClosure   // 1000
	CloseGoingAway   = websocket.CloseGoingAway       // 1001
	CloseBadData     = 1007                           // a text message that is not UTF-8
	ClosePolicy      = websocket.ClosePolicyViolation // 1008: revoked, or too slow
	CloseInternal    = websocket.CloseInternalServerErr
	CloseRestart     = websocket.CloseServiceRestart // 1012: the server is shutting down
	maxCloseReason   = 123                           // bytes, by the protocol
	maxQueueMessages = 256
	maxQueueBytes    = 8 << 20
)

// pace is how long a socket waits for its peer; tests have less patience.
type pace struct {
	ping    time.Duration // between two pings
	silence time.Duration // without anything from the peer, pongs included
	write   time.Duration // without the peer taking a byte
	closing time.Duration // for the peer's half of a close
}

var patient = pace{ping: 20 * time.Second, silence: 45 * time.Second, write: 10 * time.Second, closing: 2 * time.Second}

// Socket is a WebSocket with one owner, its [SocketHandler]. The handler's
// goroutine is the one reader; one goroutine of the edge writes. Send, Offer
// and Close may be called by any goroutine, also after the socket has ended.
type Socket struct {
	ws   *websocket.Conn
	conn *conn
	pace pace

	mu      sync.Mutex
	queue   []Message // must arrive, in this order
	bytes   int       // of payload in queue
	topics  []string  // of newest, in the order in which they were offered first
	newest  map[string]Message
	ended   error  // why nothing more is taken; nil while open
	goodbye []byte // the close frame's payload, once closing
	wake    chan struct{}
	written chan struct{} // closed when the writer has ended
}

func newSocket(ws *websocket.Conn, c *conn, p pace, limit int64) *Socket {
	s := &Socket{
		ws: ws, conn: c, pace: p,
		newest:  map[string]Message{},
		wake:    make(chan struct{}, 1),
		written: make(chan struct{}),
	}
	c.writeTimeout.Store(int64(p.write))
	ws.SetReadLimit(limit)
	s.heard()
	ws.SetPongHandler(func(string) error { s.heard(); return nil })
	ws.SetPingHandler(func(data string) error {
		s.heard()
		// A pong that can't be written is the writer's trouble as well.
		_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(p.write))
		return nil
	})
	return s
}

// heard gives the peer new time, unless the socket is closing.
func (s *Socket) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.conn.readWithin(s.pace.silence)
	}
}

// Subprotocol returns the subprotocol that was agreed on, or "".
func (s *Socket) Subprotocol() string { return s.ws.Subprotocol() }

// Receive waits for the next message and returns its payload, which is the
// caller's. Only the handler's goroutine may call it. io.EOF means that the
// peer has left or the socket was closed; any other error is the peer's fault
// or the network's. After an error the socket is of no more use.
func (s *Socket) Receive() (data []byte, binary bool, err error) {
	kind, data, err := s.ws.ReadMessage()
	if err != nil {
		return nil, false, s.explain(err)
	}
	s.heard()
	if kind == websocket.TextMessage && !utf8.Valid(data) {
		s.Close(CloseBadData, "a text message was not UTF-8")
		return nil, false, fault.New(fault.Invalid, "a text message was not UTF-8").On(fault.Caller)
	}
	return data, kind == websocket.BinaryMessage, nil
}

func (s *Socket) explain(err error) error {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	var closed *websocket.CloseError
	switch {
	case ended != nil || errors.As(err, &closed):
		return io.EOF
	case errors.Is(err, websocket.ErrReadLimit):
		return fault.Wrap(fault.TooLarge, err, "a message was larger than this socket takes").On(fault.Caller)
	}
	return fault.Wrap(fault.Unavailable, err, "the connection broke").On(fault.Caller)
}

// errSocketClosed is what Send returns once a socket has ended.
var errSocketClosed = fault.New(fault.Unavailable, "the socket is closed")

// Send queues a message that must arrive, after those before it. It never
// waits. When the peer is so slow that the queue is full, the socket is closed
// and the error says so; on a closed socket it is fault.Unavailable.
func (s *Socket) Send(m Message) error {
	s.mu.Lock()
	if s.ended != nil {
		defer s.mu.Unlock()
		return s.ended
	}
	if len(s.queue) >= maxQueueMessages || s.bytes+m.size > maxQueueBytes && len(s.queue) > 0 {
		s.mu.Unlock()
		s.close(ClosePolicy, "too slow", true)
		return fault.New(fault.Unavailable, "the peer reads too slowly; the socket is closed").On(fault.Caller)
	}
	s.queue = append(s.queue, m)
	s.bytes += m.size
	s.mu.Unlock()
	s.nudge()
	return nil
}

// Offer leaves the newest message of a topic to be sent when the peer is ready
// for it. An older one that was not sent yet is dropped, and so are all of them
// when the socket ends.
func (s *Socket) Offer(topic string, m Message) {
	s.mu.Lock()
	if s.ended == nil {
		if _, waiting := s.newest[topic]; !waiting {
			s.topics = append(s.topics, topic)
		}
		s.newest[topic] = m
	}
	s.mu.Unlock()
	s.nudge()
}

// Close ends the socket after what was sent before has been written: the peer
// gets a close frame with this code and reason, Receive returns io.EOF soon
// after. It does not wait. Only the first Close counts.
func (s *Socket) Close(code int, reason string) { s.close(code, reason, false) }

func (s *Socket) close(code int, reason string, dropQueue bool) {
	if len(reason) > maxCloseReason {
		reason = reason[:maxCloseReason]
	}
	s.mu.Lock()
	if s.ended == nil {
		s.ended = errSocketClosed
		s.goodbye = websocket.FormatCloseMessage(code, reason)
		s.topics, s.newest = nil, nil
		if dropQueue {
			s.queue, s.bytes = nil, 0
		}
	}
	s.mu.Unlock()
	s.nudge()
}

func (s *Socket) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // the writer will look anyway
	}
}

// write is the one writer. It ends after the close frame or a failure; either
// way the reader is not kept waiting for long.
func (s *Socket) write() {
	defer close(s.written)
	ping := time.NewTicker(s.pace.ping)
	defer ping.Stop()
	for {
		m, goodbye := s.next()
		var err error
		switch {
		case m.frame != nil:
			err = s.ws.WritePreparedMessage(m.frame)
			select {
			case <-ping.C:
				err = errors.Join(err, s.control(websocket.PingMessage, nil, s.pace.write))
			default:
			}
		case goodbye != nil:
			if s.control(websocket.CloseMessage, goodbye, s.pace.closing) != nil {
				s.conn.abort()
			}
			s.conn.readWithin(s.pace.closing)
			return
		default:
			select {
			case <-s.wake:
			case <-ping.C:
				err = s.control(websocket.PingMessage, nil, s.pace.write)
			}
		}
		if err != nil {
			s.close(ClosePolicy, "", true)
			s.conn.abort()
			return
		}
	}
}

func (s *Socket) control(kind int, data []byte, within time.Duration) error {
	return s.ws.WriteControl(kind, data, time.Now().Add(within))
}

// next returns what to write now: a message, else the close frame, else nothing.
func (s *Socket) next() (m Message, goodbye []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		m, s.queue[0] = s.queue[0], Message{}
		s.queue = s.queue[1:]
		s.bytes -= m.size
		return m, nil
	}
	if s.goodbye != nil {
		return Message{}, s.goodbye
	}
	if len(s.topics) > 0 {
		topic := s.topics[0]
		s.topics = s.topics[1:]
		m = s.newest[topic]
		delete(s.newest, topic)
	}
	return m, nil
}

// finish ends a socket whose handler has returned: the writer first, then the
// peer's half of the close, then the connection.
func (s *Socket) finish(code int, reason string) {
	s.Close(code, reason)
	<-s.written
	for {
		if _, _, err := s.ws.NextReader(); err != nil {
			break
		}
	}
	_ = s.conn.Close()
}
