package wire

import (
	"encoding/binary"
	"fmt"
)

// Splitter takes frames out of what comes on a control stream, for who is handed
// that rather than reading it. It is for one goroutine.
type Splitter struct {
	begun []byte // a frame that has not come whole, with its length
}

// Split calls take for each frame that ends in p, which may be [*Unknown], and keeps
// what is left. An error of take ends it. A frame over [MaxFrame] is
// [ErrFrameTooLarge] before anything is kept of it; after an error the stream cannot
// be used any more.
func (s *Splitter) Split(p []byte, take func(Frame) error) error {
	for len(p) > 0 {
		raw, rest, err := s.next(p)
		if err != nil {
			return err
		}
		p = rest
		if raw == nil {
			return nil
		}
		frame, err := DecodeFrame(raw)
		if err == nil {
			err = take(frame)
		}
		if err != nil {
			return err
		}
		if s.begun = s.begun[:0]; cap(s.begun) > readAhead {
			s.begun = nil
		}
	}
	return nil
}

// next returns the next frame's bytes and what follows them, or nil where it has not
// come whole. Most frames come whole, and are not copied.
func (s *Splitter) next(p []byte) (raw, rest []byte, err error) {
	from := p
	if len(s.begun) > 0 {
		if from, p, err = s.complete(p); err != nil || from == nil {
			return nil, nil, err
		}
		return from[prefixSize:], p, nil
	}
	size, known, err := frameSize(from)
	if err != nil {
		return nil, nil, err
	}
	if !known || len(from) < prefixSize+size {
		s.begun = append(s.begun, from...)
		return nil, nil, nil
	}
	return from[prefixSize : prefixSize+size], from[prefixSize+size:], nil
}

// complete adds what belongs to the frame that has begun, and returns that when it is
// whole, and the rest.
func (s *Splitter) complete(p []byte) (whole, rest []byte, err error) {
	for len(p) > 0 {
		wanted := prefixSize - len(s.begun)
		size, known, err := frameSize(s.begun)
		if err != nil {
			return nil, nil, err
		}
		if known {
			wanted = prefixSize + size - len(s.begun)
		}
		n := min(max(wanted, 0), len(p))
		s.begun, p = append(s.begun, p[:n]...), p[n:]
		if size, known, err = frameSize(s.begun); err != nil {
			return nil, nil, err
		}
		if known && len(s.begun) == prefixSize+size {
			return s.begun, p, nil
		}
	}
	return nil, nil, nil
}

// frameSize returns the length that a frame begins with, once that is there.
func frameSize(p []byte) (size int, known bool, err error) {
	if len(p) < prefixSize {
		return 0, false, nil
	}
	announced := binary.BigEndian.Uint32(p)
	if announced > MaxFrame {
		return 0, false, fmt.Errorf("%w: %d bytes announced", ErrFrameTooLarge, announced)
	}
	return int(announced), true, nil
}
