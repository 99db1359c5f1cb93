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

// Append appends a reading's frame to dst.
func Append(dst []byte, r *gpu.Reading) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, Version)
	c := codec{out: dst}
	reading(&c, r)
	binary.BigEndian.PutUint32(c.out[start:], uint32(len(c.out)-start-headBytes))
	return c.out
}

// Reader reads frames. It is used by one goroutine at a time.
type Reader struct {
	r    io.Reader
	head [headBytes]byte
	body []byte // kept for the next frame
}

// NewReader returns a reader of the frames in r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Read reads one frame. It returns io.EOF where the stream ends between two.
func (r *Reader) Read() (gpu.Reading, error) {
	if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
		return gpu.Reading{}, err
	}
	size := binary.BigEndian.Uint32(r.head[:])
	if size == 0 || size > MaxBytes {
		return gpu.Reading{}, fmt.Errorf("%w: %d bytes", ErrSize, size)
	}
	if uint32(cap(r.body)) < size {
		r.body = make([]byte, size)
	}
	r.body = r.body[:size]
	if _, err := io.ReadFull(r.r, r.body); err != nil {
		return gpu.Reading{}, fmt.Errorf("a frame of %d bytes: %w", size, err)
	}
	if r.body[0] != Version {
		return gpu.Reading{}, fmt.Errorf("%w: %d", ErrVersion, r.body[0])
	}
	var out gpu.Reading
	if err := decode(r.body[1:], func(c *codec) { reading(c, &out) }); err != nil {
		return gpu.Reading{}, fmt.Errorf("a frame of %d bytes: %w", size, err)
	}
	return out, nil
}
