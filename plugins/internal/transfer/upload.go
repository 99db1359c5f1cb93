// Package transfer moves large objects to and from services that take and give them
// in parts: several at once, in bounded memory, and again where one fails.
package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Upload is an object on its way to a service. What a Part was given is not used
// after it has returned.
type Upload interface {
	// Whole stores an object that fits one part.
	Whole(ctx context.Context, content []byte) error
	// Begin is called once before the first Part, from which on Commit or Abort follows.
	Begin(ctx context.Context) error
	// Part sends a part, the first being 0. Several are sent at once.
	Part(ctx context.Context, index int, body io.ReadSeeker, sizeBytes int64) error
	// Commit makes the object of so many parts.
	Commit(ctx context.Context, parts int) error
	// Abort removes what was sent. It is called with a context that lives.
	Abort(ctx context.Context) error
}

// Cut is how objects are cut into parts.
type Cut struct {
	PartBytes int64 // of a part; objects of many parts have larger ones
	AtOnce    int   // how many are sent or fetched at once, each of them in memory
	MaxParts  int   // that the service takes
}

// partsWanted is how many parts an object has at most, where its size is known: there
// is room below what services take.
const partsWanted = 9000

// partBytes returns how large the parts of an object are.
func (c Cut) partBytes(sizeBytes int64) int64 {
	return max(c.PartBytes, (sizeBytes+partsWanted-1)/partsWanted)
}

// abortTimeout is how long what was sent may take to be removed.
const abortTimeout = 10 * time.Second

// Send sends all of a source.
func (c Cut) Send(ctx context.Context, src storage.Source, to Upload) error {
	in, err := src.Open()
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	size, part := src.SizeBytes(), c.partBytes(src.SizeBytes())
	if anywhere, ok := in.(io.ReaderAt); ok && size > part {
		return c.inParts(ctx, to, sections(anywhere, size, part))
	}
	stream := &stream{in: bufio.NewReader(in), announced: size, part: part, free: make(chan []byte, c.AtOnce), left: c.AtOnce}
	first, err := stream.next(ctx)
	if err != nil {
		return err
	}
	if stream.ended {
		return to.Whole(ctx, first.content)
	}
	begun := false
	return c.inParts(ctx, to, func(ctx context.Context) (*piece, error) {
		if !begun {
			begun = true
			return first, nil
		}
		if stream.ended {
			return nil, io.EOF
		}
		return stream.next(ctx)
	})
}

// inParts sends the parts that next returns until io.EOF.
func (c Cut) inParts(ctx context.Context, to Upload, next func(context.Context) (*piece, error)) (err error) {
	if err := to.Begin(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			aborting, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
			defer cancel()
			err = errors.Join(err, to.Abort(aborting))
		}
	}()
	sending, within := errgroup.WithContext(ctx)
	sending.SetLimit(c.AtOnce)
	parts := 0
	for {
		p, err := next(within)
		if err == io.EOF {
			break
		}
		if err == nil && parts == c.MaxParts {
			err = fault.New(fault.TooLarge, "an object of unknown size has more than %d parts of %d bytes", c.MaxParts, c.PartBytes).On(fault.Caller)
		}
		if err != nil {
			sending.Go(func() error { return err })
			break
		}
		index := parts
		// Where another one fails it goes on: a service that has all of a part and is still
		// storing it can bring back an upload that is given up meanwhile.
		sending.Go(func() error { return p.send(ctx, to, index) })
		parts++
	}
	if err := sending.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return to.Commit(ctx, parts)
}

// stream is a source that is read from its beginning to its end.
type stream struct {
	in              *bufio.Reader
	announced, read int64
	part            int64
	free            chan []byte // buffers that are not in use
	left            int         // how many more there may be
	ended           bool        // nothing follows what next has returned
}

// next returns the part that follows. The last one may be empty only where it is the
// first.
func (s *stream) next(ctx context.Context) (*piece, error) {
	buffer, err := s.buffer(ctx)
	if err != nil {
		return nil, err
	}
	buffer, err = s.fill(buffer[:0])
	if err != nil && err != io.EOF {
		return nil, err
	}
	s.read += int64(len(buffer))
	if err == nil {
		_, err = s.in.Peek(1)
	}
	if s.ended = err == io.EOF; !s.ended && err != nil {
		return nil, err
	}
	if s.announced >= 0 && (s.read > s.announced || s.ended && s.read != s.announced) {
		return nil, fault.New(fault.Invalid, "%d bytes came, where %d were announced", s.read, s.announced).On(fault.Caller)
	}
	return &piece{content: buffer, release: func() { s.free <- buffer }}, nil
}

// smallest is what a buffer begins with where nobody knows how much will come.
const smallest = 64 << 10

func (s *stream) buffer(ctx context.Context) ([]byte, error) {
	if s.left > 0 && len(s.free) == 0 {
		s.left--
		size := int64(smallest)
		if s.announced >= 0 {
			size = s.announced - s.read
		}
		return make([]byte, 0, min(s.part, size)), nil
	}
	select {
	case buffer := <-s.free:
		return buffer, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fill reads until a part is full, or an error comes, which it returns as it is.
func (s *stream) fill(buffer []byte) ([]byte, error) {
	for int64(len(buffer)) < s.part {
		if len(buffer) == cap(buffer) {
			larger := make([]byte, len(buffer), min(s.part, max(smallest, 2*int64(cap(buffer)))))
			copy(larger, buffer)
			buffer = larger
		}
		n, err := s.in.Read(buffer[len(buffer):min(int64(cap(buffer)), s.part)])
		buffer = buffer[:len(buffer)+n]
		if err != nil {
			return buffer, err
		}
	}
	return buffer, nil
}

// sections returns the parts of what can be read at any place.
func sections(from io.ReaderAt, size, part int64) func(context.Context) (*piece, error) {
	offset := int64(0)
	return func(ctx context.Context) (*piece, error) {
		if offset == size {
			return nil, io.EOF
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		p := &piece{from: from, offset: offset, size: min(part, size-offset)}
		offset += p.size
		return p, nil
	}
}

// piece is a part, in memory or to be read at its place.
type piece struct {
	content []byte
	release func()

	from         io.ReaderAt
	offset, size int64
}

func (p *piece) send(ctx context.Context, to Upload, index int) error {
	if p.from == nil {
		body := newBody(p.content)
		err := to.Part(ctx, index, body, int64(len(p.content)))
		body.end()
		p.release()
		return err
	}
	remembered := &remembering{from: p.from}
	body := newSection(remembered, p.offset, p.size)
	err := to.Part(ctx, index, body, p.size)
	body.end()
	if failed := remembered.failure(); err != nil && failed != nil {
		return fmt.Errorf("read part %d: %w", index, failed)
	}
	return err
}
