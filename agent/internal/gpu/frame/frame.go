// Package frame is what the GPU probe and the agent say to each other: readings,
// one a frame, over a pipe.
//
// A frame is the length of what follows, four bytes in network order, the
// version, one byte, and the reading, encoded as protobuf would. Fields that are
// not known are skipped, so that either side may be the newer one.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// Version is the protocol's. 1: the first.
const Version = 1

// MaxBytes is the largest frame. A reading of 256 cards, with as many processes
// as they are ever seen with, has a tenth of it.
const MaxBytes = 4 << 20

const headBytes = 4

// The errors of frames that nothing of ours wrote.
var (
	ErrSize    = errors.New("a frame is empty or too large")
	ErrVersion = errors.New("a frame is of a version that this program does not know")
)

// Writer writes frames. It is used by one goroutine at a time.
type Writer struct {
	w io.Writer
	c codec // whose memory is kept for the next frame
}

// NewWriter returns a writer of frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes a reading as one frame, in one call of the writer below.
func (w *Writer) Write(r *gpu.Reading) error {
	w.c.out = append(w.c.out[:0], 0, 0, 0, 0, Version)
	reading(&w.c, r)
	size := len(w.c.out) - headBytes
	if size > MaxBytes {
		return fmt.Errorf("%w: %d bytes", ErrSize, size)
	}
	binary.BigEndian.PutUint32(w.c.out, uint32(size))
	_, err := w.w.Write(w.c.out)
	return err
}

// Reader reads frames. It is used by one goroutine at a time.
type Reader struct {
	r    io.Reader
	head [headBytes]byte
	body []byte // kept for the next frame
	c    codec
}

// NewReader returns a reader of the frames in r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r, c: codec{mode: decoding, texts: map[string]string{}}}
}

// Read reads one frame into a reading, of which it uses the memory again: what
// was in it before is gone, also where Read fails. It returns io.EOF where the
// stream ends between two frames.
func (r *Reader) Read(into *gpu.Reading) error {
	if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(r.head[:])
	if size == 0 || size > MaxBytes {
		return fmt.Errorf("%w: %d bytes", ErrSize, size)
	}
	if uint32(cap(r.body)) < size {
		r.body = make([]byte, size)
	}
	r.body = r.body[:size]
	if _, err := io.ReadFull(r.r, r.body); err != nil {
		return fmt.Errorf("a frame of %d bytes: %w", size, err)
	}
	if r.body[0] != Version {
		return fmt.Errorf("%w: %d", ErrVersion, r.body[0])
	}
	r.c.mode, r.c.err = clearing, nil
	reading(&r.c, into)
	r.c.mode = decoding
	if decode(&r.c, r.body[1:], into, reading); r.c.err != nil {
		return fmt.Errorf("a frame of %d bytes: %w", size, r.c.err)
	}
	return nil
}
