package tunnel

import (
	"errors"
	"fmt"
	"io"
)

// At most so much of a body is taken off the connection at a time. The memory for
// it grows to that as bodies do: what agents send while nothing goes on is small.
const leastPiece, pieceSize = 256, 8 << 10

// receive hands out what comes until the connection ends, and returns why.
func (s *Session) receive() error {
	in := &messages{ws: s.ws}
	var piece []byte
	var raw [headerSize]byte
	for {
		if _, err := io.ReadFull(in, raw[:]); err != nil {
			return err
		}
		h, err := parseHeader(&raw)
		if err == nil {
			if h.kind == dataFrame {
				piece = room(piece, int(h.number))
			}
			err = s.take(h, in, piece)
		}
		if err != nil {
			return err
		}
	}
}

// room returns memory for the pieces of a body of this length, the same where it
// will do.
func room(piece []byte, length int) []byte {
	size := max(len(piece), leastPiece)
	for size < min(length, pieceSize) {
		size *= 2
	}
	if size > len(piece) {
		return make([]byte, size)
	}
	return piece
}

// take handles one frame.
func (s *Session) take(h header, in io.Reader, piece []byte) error {
	switch h.kind {
	case pingFrame:
		if h.flags&flagOpen == 0 {
			return nil // an answer, and we asked nothing
		}
		return s.answer(header{pingFrame, flagAccept, 0, h.number})
	case goAwayFrame:
		s.mu.Lock()
		s.leaving = true
		s.mu.Unlock()
		return nil
	}
	st, err := s.addressed(h)
	if err == nil && st != nil && s.attend != nil {
		err = s.attended(st)
	}
	if err != nil {
		return err
	}
	if h.kind == dataFrame {
		err = takeBody(st, int(h.number), in, piece)
	} else if st != nil {
		err = st.grant(h.number)
	}
	if err != nil || st == nil {
		return err
	}
	if h.flags&flagFinish != 0 {
		st.finish()
	}
	if h.flags&flagReset != 0 {
		s.forget(h.stream)
		st.fail(errReset, false)
	}
	if st.take != nil && h.flags&(flagFinish|flagReset) != 0 {
		return io.EOF
	}
	return nil
}

// attended hands the first stream over.
func (s *Session) attended(st *stream) (err error) {
	attend := s.attend
	s.attend = nil
	<-s.accepted
	st.allow(windowSize - initialWindow)
	if err := s.answer(header{windowFrame, flagAccept, st.id, windowSize - initialWindow}); err != nil {
		return err
	}
	st.take, err = attend(st)
	return err
}

// takeBody reads a body for a stream, or past it when nobody has the stream any more.
func takeBody(st *stream, length int, in io.Reader, piece []byte) error {
	for length > 0 {
		part := piece[:min(length, len(piece))]
		if _, err := io.ReadFull(in, part); err != nil {
			return err
		}
		length -= len(part)
		if st == nil {
			continue
		}
		if err := st.deliver(part); err != nil {
			return err
		}
		if st.take == nil {
			continue
		}
		if err := st.take(part); err != nil {
			return err
		}
	}
	return nil
}

// addressed returns the stream that a frame belongs to, which the frame may
// open; nil when nobody has it any more.
func (s *Session) addressed(h header) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[h.stream]
	if h.flags&flagOpen == 0 || s.cause != nil {
		return st, nil
	}
	if st != nil || h.stream == 0 || h.stream%2 == s.nextID%2 {
		return nil, fmt.Errorf("tunnel: the peer opened stream %d, which is not its to open", h.stream)
	}
	if len(s.accepted) == cap(s.accepted) {
		return nil, s.answer(header{windowFrame, flagReset, h.stream, 0})
	}
	st = newStream(s, h.stream, initialWindow)
	s.streams[h.stream] = st
	s.accepted <- st // has room: this goroutine alone adds to it
	return st, nil
}

// answer has a frame sent soon. Only the receiving goroutine may call it.
func (s *Session) answer(h header) error {
	s.replying.Lock()
	defer s.replying.Unlock()
	if len(s.replies) == maxReplies {
		return errors.New("tunnel: the peer asks more than it reads")
	}
	s.replies = append(s.replies, h)
	if len(s.replies) == 1 {
		s.running.Go(s.reply)
	}
	return nil
}
