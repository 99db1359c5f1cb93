package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Open opens so many bytes of one version of an object, from an offset on. That the
// object is another one by now is an error.
type Open func(ctx context.Context, offset, length int64) (io.ReadCloser, error)

// Section is a part of an object of which the beginning is open already.
type Section struct {
	Begin         io.ReadCloser
	BeginBytes    int64 // how many come of it
	Offset, Bytes int64 // of the whole section
	More          Open  // what follows, and what breaks off
}

// Fetch returns a reader of a section. What follows its beginning is fetched in parts,
// several at once, as soon as half of the beginning was read.
func (c Cut) Fetch(ctx context.Context, s Section) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	return &fetching{
		ctx: ctx, cancel: cancel, cut: c, open: s.More,
		begin: &resuming{ctx: ctx, in: s.Begin, open: s.More, offset: s.Offset, left: s.BeginBytes},
		half:  s.BeginBytes / 2, next: s.Offset + s.BeginBytes, end: s.Offset + s.Bytes,
	}
}

// fetching reads a section.
type fetching struct {
	ctx    context.Context //nolint:containedctx // of the reader, which ends with it
	cancel context.CancelFunc
	cut    Cut
	open   Open

	begin     *resuming
	half      int64
	next, end int64 // what nobody fetches yet

	ahead   []*part
	free    [][]byte
	rest    []byte // of the part that is read
	holding []byte // its buffer
	err     error
	running sync.WaitGroup
}

// part is being fetched until done is closed.
type part struct {
	done    chan struct{}
	content []byte
	err     error
}

// Read implements io.Reader.
func (f *fetching) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.read(p)
	if err != nil {
		f.err = err
	}
	return n, err
}

func (f *fetching) read(p []byte) (int, error) {
	if f.begin.left > 0 {
		n, err := f.begin.Read(p)
		if f.begin.left <= f.half {
			f.fetchAhead()
		}
		return n, err
	}
	if len(f.rest) == 0 {
		if err := f.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// advance waits for the part that follows.
func (f *fetching) advance() error {
	if f.holding != nil {
		f.free = append(f.free, f.holding)
		f.holding = nil
	}
	f.fetchAhead()
	if len(f.ahead) == 0 {
		return io.EOF
	}
	first := f.ahead[0]
	f.ahead = f.ahead[1:]
	<-first.done // soon, when the context has ended
	f.rest, f.holding = first.content, first.content
	return first.err
}

// fetchAhead has as many parts fetched as may be.
func (f *fetching) fetchAhead() {
	for len(f.ahead) < f.cut.AtOnce && f.next < f.end {
		length := min(f.cut.PartBytes, f.end-f.next)
		p := &part{done: make(chan struct{})}
		var buffer []byte
		if n := len(f.free); n > 0 {
			buffer, f.free = f.free[n-1], f.free[:n-1]
		} else {
			buffer = make([]byte, f.cut.PartBytes)
		}
		from := &resuming{ctx: f.ctx, open: f.open, offset: f.next, left: length}
		f.running.Go(func() {
			defer close(p.done)
			n, err := io.ReadFull(from, buffer[:length])
			p.content, p.err = buffer[:n], errors.Join(err, from.Close())
		})
		f.ahead = append(f.ahead, p)
		f.next += length
	}
}

// Close implements io.Closer.
func (f *fetching) Close() error {
	f.cancel()
	f.running.Wait()
	if f.err == nil {
		f.err = fault.New(fault.Internal, "a reader is used after its end")
	}
	return f.begin.Close()
}

// resumeTries is how often in a row what yields nothing is opened again.
const resumeTries = 4

// resumeWait is how long the first of them waits; each further one waits twice as long.
const resumeWait = 100 * time.Millisecond

// resuming reads so many bytes, and opens the rest again where it breaks off.
type resuming struct {
	ctx          context.Context //nolint:containedctx // of the reader, which ends with it
	in           io.ReadCloser   // nil is to be opened
	open         Open
	offset, left int64
	tries        int
}

// Read implements io.Reader.
func (r *resuming) Read(p []byte) (int, error) {
	for r.left > 0 {
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.in == nil {
			in, err := r.open(r.ctx, r.offset, r.left)
			if err != nil {
				return 0, err
			}
			r.in = in
		}
		n, err := r.in.Read(p[:min(int64(len(p)), r.left)])
		r.offset += int64(n)
		r.left -= int64(n)
		if n > 0 {
			r.tries = 0
		}
		if err != nil && r.left > 0 {
			if again := r.again(err); again != nil {
				return n, again
			}
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// again has what broke off opened again, after a while, or returns why not.
func (r *resuming) again(cause error) error {
	_ = r.in.Close() // it has failed already
	r.in = nil
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.tries++; r.tries > resumeTries {
		if cause == io.EOF {
			cause = io.ErrUnexpectedEOF
		}
		return fault.Wrap(fault.Unavailable, cause, "the service breaks off again and again").On(fault.Service)
	}
	select {
	case <-time.After(resumeWait << (r.tries - 1)):
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// Close implements io.Closer.
func (r *resuming) Close() error {
	if r.in == nil {
		return nil
	}
	in := r.in
	r.in = nil
	return in.Close()
}
