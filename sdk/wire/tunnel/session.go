// Package tunnel turns the WebSocket between an agent and a control plane into
// many streams.
//
// On the wire it speaks yamux (version 0 of its specification), in messages of one
// or more frames. The agent, which dialled, is the client; both sides may open streams.
// A frame is written by the goroutine that has something to say, so that a piece
// of an answer wakes nobody on its way out. Frames that come while one is being
// written go out together, in one message.
package tunnel

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	// windowSize is how much one stream may be ahead of its reader, in bytes. On
	// a long link a stream carries about half a window each round trip; a much
	// larger one lets a bulk stream delay the small requests beside it.
	windowSize = 1 << 20
	// maxMessage is the largest WebSocket message that is accepted: a frame never
	// carries more than one window.
	maxMessage = windowSize + headerSize
	// maxBody bounds the frames that we send, so that no stream holds the line for long.
	maxBody = 32 << 10
	// maxWaiting is how many bytes of frames may wait for who sends.
	maxWaiting = 64 << 10
	// lastWords is how long a session that is closed waits for what is being sent.
	lastWords = 100 * time.Millisecond
	// maxReplies is how many answers to the peer's own frames may wait to be sent.
	maxReplies = 64
)

// How many streams of the peer may wait for Accept. A control plane opens one
// for each request under way; an agent opens the control stream alone.
const (
	clientBacklog = 1024
	serverBacklog = 8
)

// Session carries many streams over one WebSocket. Its methods may be called
// concurrently.
type Session struct {
	ws       *websocket.Conn
	accepted chan *stream
	done     chan struct{}
	running  sync.WaitGroup
	attend   Attendant // of the first stream, until there is one; of the goroutine that receives

	replying sync.Mutex
	replies  []header // that wait to be sent, the first one on its way; a goroutine is there while there are any

	writing sync.Mutex
	waiting []byte    // frames that wait to be sent
	out     []byte    // those that are being sent
	sending bool      // somebody sends, and takes along what waits
	room    sync.Cond // for more to wait, or nobody sends any more

	mu      sync.Mutex
	streams map[uint32]*stream
	nextID  uint32
	leaving bool  // the peer accepts no further streams
	cause   error // why the session ended, a net.ErrClosed; set before done is closed
}

// Client starts the dialling side's session and takes the WebSocket over, which
// must not compress.
func Client(ws *websocket.Conn) *Session { return start(ws, 1, clientBacklog) }

// Server starts the listening side's session and takes the WebSocket over, which
// must not compress.
func Server(ws *websocket.Conn) *Session { return start(ws, 2, serverBacklog) }

// Listen is like [Server], but nothing is received before [Session.Attend].
func Listen(ws *websocket.Conn) *Session { return newSession(ws, 2, serverBacklog) }

func start(ws *websocket.Conn, firstID uint32, backlog int) *Session {
	s := newSession(ws, firstID, backlog)
	s.running.Go(func() { s.end(s.receive()) })
	return s
}

func newSession(ws *websocket.Conn, firstID uint32, backlog int) *Session {
	ws.SetReadLimit(maxMessage)
	s := &Session{
		ws: ws, streams: map[uint32]*stream{}, nextID: firstID,
		accepted: make(chan *stream, backlog),
		done:     make(chan struct{}),
	}
	s.room.L = &s.writing
	return s
}

// An Attendant is called with the first stream that the peer opens, and returns what
// is called with whatever comes on it. Neither may wait for the peer, which a call of
// Write may: where one does, both sides may. What comes is the caller's, and an error
// ends the session. The stream can't be read.
type Attendant func(stream net.Conn) (take func(p []byte) error, err error)

// Attend receives in the caller's goroutine until the session ends, and returns why:
// with the error of the attendant's, or io.EOF when the peer has closed the first
// stream. It is for sessions that do little and are many: each costs no goroutine
// but the caller's. It is called once.
func (s *Session) Attend(first Attendant) error {
	s.attend = first
	err := s.receive()
	s.end(err)
	return err
}

// Open opens a stream to the peer.
func (s *Session) Open() (net.Conn, error) {
	s.mu.Lock()
	id := s.nextID
	err := s.cause
	switch {
	case err != nil:
	case s.leaving:
		err = errors.New("the peer accepts no further streams")
	case id+2 < id:
		err = errors.New("this session has used up its streams")
	}
	if err != nil {
		s.mu.Unlock()
		return nil, fmt.Errorf("tunnel: open stream: %w", err)
	}
	st := newStream(s, id, windowSize)
	s.nextID += 2
	s.streams[id] = st
	s.mu.Unlock()
	if err := s.write(header{windowFrame, flagOpen, id, windowSize - initialWindow}, nil); err != nil {
		return nil, fmt.Errorf("tunnel: open stream: %w", err)
	}
	return st, nil
}

// Accept waits for a stream that the peer opens. It fails once the session has
// ended.
func (s *Session) Accept() (net.Conn, error) {
	select {
	case st := <-s.accepted:
		st.allow(windowSize - initialWindow)
		err := s.write(header{windowFrame, flagAccept, st.id, windowSize - initialWindow}, nil)
		if err != nil {
			return nil, fmt.Errorf("tunnel: accept stream: %w", err)
		}
		return st, nil
	case <-s.done:
		return nil, fmt.Errorf("tunnel: accept stream: %w", s.cause)
	}
}

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.done }

// Close ends the session, all of its streams and the WebSocket, without a closing
// handshake. What was written is sent before, unless the peer is slow to take it.
func (s *Session) Close() error {
	s.writing.Lock()
	if s.sending {
		_ = s.ws.NetConn().SetWriteDeadline(time.Now().Add(lastWords)) // fails where the connection is gone anyway
	}
	for s.sending {
		s.room.Wait()
	}
	s.writing.Unlock()
	s.end(net.ErrClosed)
	s.running.Wait()
	return nil
}

// end ends the session for a reason. It does not wait: those who work for the
// session call it too.
func (s *Session) end(cause error) {
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return
	}
	s.cause = fmt.Errorf("the session ended (%w): %w", net.ErrClosed, cause)
	streams := s.streams
	s.streams = nil
	s.mu.Unlock()
	close(s.done)
	s.ws.Close()
	for _, st := range streams {
		st.fail(s.cause, false)
	}
}

// write sends a frame, or has it sent by whoever sends already. A failure ends the
// session: a part of the frame may have been sent.
func (s *Session) write(h header, body []byte) error {
	s.writing.Lock()
	for s.sending && len(s.waiting) > maxWaiting {
		s.room.Wait()
	}
	s.waiting = append(h.append(s.waiting), body...)
	if s.sending {
		s.writing.Unlock()
		return nil
	}
	s.sending = true
	s.writing.Unlock()
	runtime.Gosched() // where much goes on, others have something to say too
	return s.flush()
}

// flush sends what waits until nothing does.
func (s *Session) flush() error {
	var err error
	s.writing.Lock()
	for len(s.waiting) > 0 && err == nil {
		s.waiting, s.out = s.out[:0], s.waiting
		s.room.Broadcast()
		s.writing.Unlock()
		if err = s.ws.SetWriteDeadline(time.Now().Add(wire.WriteTimeout)); err == nil {
			err = s.ws.WriteMessage(websocket.BinaryMessage, s.out)
		}
		s.writing.Lock()
	}
	s.sending = false
	s.room.Broadcast()
	s.writing.Unlock()
	if err == nil {
		return nil
	}
	s.end(fmt.Errorf("tunnel: write: %w", err))
	return s.why()
}

func (s *Session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// forget drops a stream. What still comes for it is thrown away.
func (s *Session) forget(id uint32) {
	s.mu.Lock()
	delete(s.streams, id)
	s.mu.Unlock()
}

// reply sends what the receiving goroutine has to answer, until all of it is sent.
// That one must never write itself: were both sides to wait for the other to read,
// neither would.
func (s *Session) reply() {
	for more := true; more; {
		s.replying.Lock()
		h := s.replies[0]
		s.replying.Unlock()
		_ = s.write(h, nil) // a failure has ended the session
		s.replying.Lock()
		s.replies = append(s.replies[:0], s.replies[1:]...)
		more = len(s.replies) > 0
		s.replying.Unlock()
	}
}
