package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// prefixSize is the length of the big-endian length before each frame on the
// control stream.
const prefixSize = 4

// readAhead is how much of a stream is read at once: enough for most frames, while
// what a large one is read into is kept for the next.
const readAhead = 512

// ErrFrameTooLarge is what reading a frame over the cap returns.
var ErrFrameTooLarge = errors.New("wire: frame is larger than the cap")

// Writer writes frames to the control stream. It may be used concurrently; each
// frame goes out in one write.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	enc Encoder
	buf []byte
}

// NewWriter returns a writer to the control stream w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends one frame.
func (w *Writer) Write(f Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = w.enc.AppendFrame(w.begin(), f)
	if err := w.flush(); err != nil {
		return fmt.Errorf("wire: write frame %d: %w", f.number(), err)
	}
	return nil
}

// WriteEncoded sends one frame that [Encoder.AppendFrame] encoded earlier.
func (w *Writer) WriteEncoded(frame []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.begin(), frame...)
	if err := w.flush(); err != nil {
		return fmt.Errorf("wire: write encoded frame: %w", err)
	}
	return nil
}

// begin returns the buffer with room for the length.
func (w *Writer) begin() []byte { return append(w.buf[:0], 0, 0, 0, 0) }

func (w *Writer) flush() error {
	size := len(w.buf) - prefixSize
	if size > MaxFrame {
		return fmt.Errorf("%w: %d bytes", ErrFrameTooLarge, size)
	}
	binary.BigEndian.PutUint32(w.buf, uint32(size))
	_, err := w.w.Write(w.buf)
	return err
}

// Reader reads frames from the control stream. It is for one goroutine.
type Reader struct {
	r   *bufio.Reader
	buf []byte
}

// NewReader returns a reader of the control stream r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, readAhead)} }

// Read returns the next frame, which may be [*Unknown]. A frame over
// [MaxFrame] is [ErrFrameTooLarge] before anything is allocated for it; the
// stream cannot be used afterwards. The stream's end between two frames is io.EOF.
func (r *Reader) Read() (Frame, error) {
	var prefix [prefixSize]byte
	if _, err := io.ReadFull(r.r, prefix[:]); err != nil {
		if err == io.EOF {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("wire: read frame length: %w", err)
	}
	size := binary.BigEndian.Uint32(prefix[:])
	if size > MaxFrame {
		return nil, fmt.Errorf("%w: %d bytes announced", ErrFrameTooLarge, size)
	}
	if uint32(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return nil, fmt.Errorf("wire: read frame of %d bytes: %w", size, err)
	}
	return DecodeFrame(r.buf)
}
