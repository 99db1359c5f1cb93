package transfer

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// body is what a request sends. HTTP clients may go on reading when they have
// returned already, and that must not see what is in the memory then.
type body struct {
	mu    sync.Mutex
	in    io.ReadSeeker
	ended bool
}

func newBody(content []byte) *body { return &body{in: bytes.NewReader(content)} }

func newSection(from io.ReaderAt, offset, size int64) *body {
	return &body{in: io.NewSectionReader(from, offset, size)}
}

var errEnded = errors.New("the request has ended")

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, errEnded
	}
	return b.in.Read(p)
}

// Seek implements io.Seeker.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, errEnded
	}
	return b.in.Seek(offset, whence)
}

// end returns when nobody reads any more, and nobody will.
func (b *body) end() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
}

// remembering knows what went wrong with its source, which the client of a service
// would tell as a failure of the service.
type remembering struct {
	from io.ReaderAt
	mu   sync.Mutex
	err  error
}

// ReadAt implements io.ReaderAt.
func (r *remembering) ReadAt(p []byte, offset int64) (int, error) {
	n, err := r.from.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
	}
	return n, err
}

func (r *remembering) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
