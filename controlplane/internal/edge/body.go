package edge

import (
	"compress/gzip"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// body reads a request's body: with a rolling deadline, never past its limit,
// and with an error when it ends before it is complete. fasthttp's own stream
// does none of these.
type body struct {
	conn    *conn
	length  int64 // announced; -1 in chunks
	limit   int64 // below 0: none
	timeout time.Duration
	broken  atomic.Pointer[error] // why no Read may go on; nil while they may
	ending  sync.Mutex            // held while the connection's deadline is made to expire
	ended   bool                  // guarded by ending: the connection is another request's

	mu     sync.Mutex
	stream io.Reader // fasthttp's; nil once the exchange has ended
	got    int64
	err    error
}

// Read implements io.Reader. Its errors are faults that a client may see.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.stream == nil {
		return 0, errEnded
	}
	if b.got == b.length {
		b.err = io.EOF
		return 0, b.err
	}
	b.conn.readWithin(b.timeout)
	if broken := b.broken.Load(); broken != nil { // only now: breaking ends what readWithin has begun
		b.err = *broken
		return 0, b.err
	}
	n, err := b.stream.Read(p)
	b.got += int64(n)
	if b.limit >= 0 && b.got > b.limit {
		b.err = tooLarge(b.limit)
		return 0, b.err
	}
	if err != nil {
		b.err = b.explain(err)
		if n > 0 {
			return n, nil
		}
	}
	return n, b.err
}

var errEnded = fault.New(fault.Internal, "the request whose body this is has ended")

func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "the body is larger than the %d bytes that are taken here", limit)
}

// explain turns what fasthttp says of the end of a body into what it means. A
// client that vanishes looks like the end of its body: for a length that was
// announced the count tells, for chunks whether the connection ended with it.
func (b *body) explain(err error) error {
	var timeout net.Error
	switch broken := b.broken.Load(); {
	case broken != nil && err != io.EOF:
		return *broken
	case errors.Is(err, io.EOF):
		if b.got == b.length || b.length < 0 && !b.conn.peerDone.Load() {
			return io.EOF
		}
		return fault.Wrap(fault.Invalid, io.ErrUnexpectedEOF, "the body ended early, after %d bytes", b.got).On(fault.Caller)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fault.Wrap(fault.Timeout, err, "the body stood still for %s", b.timeout).On(fault.Caller)
	}
	return fault.Wrap(fault.Invalid, err, "the body broke off after %d bytes", b.got).On(fault.Caller)
}

// breakOff makes a Read that is under way, and those to come, fail with err.
func (b *body) breakOff(err error) {
	b.ending.Lock()
	defer b.ending.Unlock()
	if !b.ended {
		b.broken.CompareAndSwap(nil, &err)
		b.conn.readWithin(-time.Second)
	}
}

// complete reports whether all of the body has been read.
func (b *body) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err == io.EOF || b.got == b.length
}

// left returns how many bytes are still to come, or -1 when nobody can know.
func (b *body) left() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || b.length < 0 {
		return -1
	}
	return b.length - b.got
}

// end takes fasthttp's stream away, which serves other requests from here on. A
// Read under way elsewhere is made to fail first.
func (b *body) end() {
	if !b.mu.TryLock() {
		b.breakOff(errEnded)
		b.mu.Lock()
	}
	b.stream = nil
	b.mu.Unlock()
	b.ending.Lock()
	defer b.ending.Unlock()
	b.ended = true
}

// readAll returns the whole body, decompressed when encoding says so. What is
// allocated follows what has arrived, not what was announced.
func (b *body) readAll(encoding string) ([]byte, error) {
	switch encoding {
	case "", "identity":
		return grow(b, b.length, b.limit)
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, explainGzip(err)
		}
		plain, err := grow(z, -1, b.limit)
		if err != nil {
			return nil, explainGzip(err)
		}
		return plain, nil
	}
	return nil, unknownEncoding(encoding)
}

func unknownEncoding(encoding string) error {
	return fault.New(fault.Invalid, "a body with the Content-Encoding %q is not taken here", encoding)
}

func explainGzip(err error) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "the body is not what its Content-Encoding says, gzip")
}

// grow reads r to its end into a slice that starts small. A length of -1 is unknown.
func grow(r io.Reader, length, limit int64) ([]byte, error) {
	const first, most = 512, 1 << 20
	size := int64(first)
	if length >= 0 {
		size = min(length, most) + 1 // the one lets the last Read report the end
	}
	buf := make([]byte, 0, size)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, tooLarge(limit)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}
