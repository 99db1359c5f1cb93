package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Bytes returns a source of bytes in memory. They must not be changed.
func Bytes(b []byte) Source { return inMemory(b) }

type inMemory []byte

func (b inMemory) SizeBytes() int64             { return int64(len(b)) }
func (b inMemory) Open() (io.ReadCloser, error) { return noClose{bytes.NewReader(b)}, nil }

type noClose struct{ *bytes.Reader }

func (noClose) Close() error { return nil }

// File returns a source of a file, whose size is what it is now.
func File(path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "%s is not a file", path).On(fault.Caller)
	}
	return file{path, info.Size()}, nil
}

type file struct {
	path string
	size int64
}

func (f file) SizeBytes() int64 { return f.size }

func (f file) Open() (io.ReadCloser, error) {
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	info, err := opened.Stat()
	if err == nil && info.Size() != f.size {
		err = fault.New(fault.Conflict, "%s has %d bytes now and had %d", f.path, info.Size(), f.size).On(fault.Caller)
	}
	if err != nil {
		return nil, closing(opened, err)
	}
	return opened, nil
}

// Once returns a source of what can be read only once, sizeBytes of it, or -1 where
// that is unknown. Where there are fewer bytes or more, its reader fails.
func Once(r io.Reader, sizeBytes int64) Source { return &once{r: r, size: sizeBytes} }

type once struct {
	r      io.Reader
	size   int64
	opened atomic.Bool
}

func (o *once) SizeBytes() int64 { return o.size }

func (o *once) Open() (io.ReadCloser, error) {
	if o.opened.Swap(true) {
		return nil, fault.New(fault.Conflict, "what is uploaded can be read only once, and that was begun")
	}
	if o.size < 0 {
		return io.NopCloser(o.r), nil
	}
	return io.NopCloser(&exactly{r: o.r, left: o.size}), nil
}

// exactly reads so many bytes, or fails.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, e.end()
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		return n, fault.Wrap(fault.Invalid, io.ErrUnexpectedEOF, "%d bytes fewer came than were announced", e.left).On(fault.Caller)
	}
	if err == io.EOF {
		err = nil // told by the next read, which looks for more
	}
	return n, err
}

// end reports io.EOF where nothing more comes.
func (e *exactly) end() error {
	var one [1]byte
	switch n, err := io.ReadFull(e.r, one[:]); {
	case n > 0:
		return fault.New(fault.Invalid, "more bytes came than were announced").On(fault.Caller)
	default:
		return err // io.EOF as it should be
	}
}

// closing closes what is not handed out because of an error.
func closing(c io.Closer, err error) error { return errors.Join(err, c.Close()) }

// WithContext returns a reader that fails with the context's error once that has
// ended. A Read that waits is not interrupted.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context //nolint:containedctx // it is what the reader adds, for the length of one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
