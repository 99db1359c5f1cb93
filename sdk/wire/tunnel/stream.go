package tunnel

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// keptBuffer is how much memory a stream keeps for what it receives, in bytes.
const keptBuffer = 16 << 10

var (
	errReset  = &net.OpError{Op: "read", Net: "tunnel", Err: syscall.ECONNRESET}
	errWindow = errors.New("tunnel: the peer sent more than the stream's window allows")
)

// stream is one stream of a session, a net.Conn. Close ends both directions.
type stream struct {
	session *Session
	id      uint32
	take    func(p []byte) error // gets what comes, in place of Read; nil is none

	mu       sync.Mutex
	readable sync.Cond
	writable sync.Cond

	received    []byte // received[taken:] has not been read
	taken       int
	receivable  int   // bytes that the peer may still send
	uncredited  int   // bytes read since the peer was granted more
	peerDone    bool  // the peer sends nothing more
	sendable    int64 // bytes that the peer still takes
	closed      bool  // by this side
	failure     error // why nothing more is read or written
	readUntil   deadline
	writtenTill deadline
}

var _ net.Conn = (*stream)(nil)

func newStream(s *Session, id uint32, receivable int) *stream {
	st := &stream{session: s, id: id, receivable: receivable, sendable: initialWindow}
	st.readable.L, st.writable.L = &st.mu, &st.mu
	return st
}

// Read returns what has come, io.EOF once the peer has closed the stream and
// all of it was read.
func (st *stream) Read(p []byte) (int, error) {
	st.mu.Lock()
	if err := st.awaitReadable(); err != nil {
		st.mu.Unlock()
		return 0, err
	}
	n := copy(p, st.received[st.taken:])
	st.taken += n
	if st.taken == len(st.received) {
		st.taken, st.received = 0, st.received[:0]
		if cap(st.received) > keptBuffer {
			st.received = nil
		}
	}
	credit := st.credit(n)
	st.mu.Unlock()
	if credit > 0 {
		// A session that failed says so at the next Read, after what it had received.
		_ = st.session.write(header{windowFrame, 0, st.id, uint32(credit)}, nil)
	}
	return n, nil
}

// awaitReadable waits until there is something to read, and returns why there
// will be nothing.
func (st *stream) awaitReadable() error {
	for st.taken == len(st.received) || st.closed {
		switch {
		case st.failure != nil:
			return st.failure
		case st.peerDone:
			return io.EOF
		case st.readUntil.passed:
			return os.ErrDeadlineExceeded
		}
		st.readable.Wait()
	}
	return nil
}

// credit returns what the peer is to be granted after n bytes were read: nothing
// until it is worth a frame.
func (st *stream) credit(n int) int {
	st.uncredited += n
	if st.uncredited < windowSize/2 || st.peerDone || st.failure != nil {
		return 0
	}
	credit := st.uncredited
	st.receivable += credit
	st.uncredited = 0
	return credit
}

// Write sends p, waiting while the peer reads too slowly.
func (st *stream) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := st.reserve(min(len(p)-written, maxBody))
		if err == nil {
			err = st.session.write(header{dataFrame, 0, st.id, uint32(n)}, p[written:written+n])
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// reserve takes up to n bytes of the peer's window, and at least one.
func (st *stream) reserve(n int) (int, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for {
		switch {
		case st.failure != nil:
			return 0, st.failure
		case st.writtenTill.passed:
			return 0, os.ErrDeadlineExceeded
		case st.sendable > 0:
			n = int(min(int64(n), st.sendable))
			st.sendable -= int64(n)
			return n, nil
		}
		st.writable.Wait()
	}
}

// Close ends the stream. The peer reads what was written before, and then
// io.EOF; what it still sends is thrown away.
func (st *stream) Close() error {
	if !st.fail(net.ErrClosed, true) {
		return nil
	}
	st.session.forget(st.id)
	_ = st.session.write(header{windowFrame, flagFinish, st.id, 0}, nil) // a session that failed has ended the stream as well
	return nil
}

// fail ends both directions for a reason, and reports whether they had not
// ended yet. Unless this side closed the stream, what had come can still be read.
func (st *stream) fail(reason error, closed bool) bool {
	st.mu.Lock()
	first := st.failure == nil
	st.closed = st.closed || closed
	if first {
		st.failure = reason
		st.readUntil.stop()
		st.writtenTill.stop()
	}
	st.mu.Unlock()
	st.readable.Broadcast()
	st.writable.Broadcast()
	return first
}

// deliver adds what the peer sent, or counts it where it is taken at once.
func (st *stream) deliver(p []byte) error {
	st.mu.Lock()
	st.receivable -= len(p)
	exceeded := st.receivable < 0
	if st.take != nil {
		credit := st.credit(len(p))
		st.mu.Unlock()
		switch {
		case exceeded:
			return errWindow
		case credit > 0:
			return st.session.answer(header{windowFrame, 0, st.id, uint32(credit)})
		}
		return nil
	}
	if !exceeded && !st.peerDone && st.failure == nil {
		if st.taken > 0 && len(st.received)+len(p) > cap(st.received) {
			st.received = append(st.received[:0], st.received[st.taken:]...)
			st.taken = 0
		}
		st.received = append(st.received, p...)
	}
	st.mu.Unlock()
	if exceeded {
		return errWindow
	}
	st.readable.Broadcast()
	return nil
}

// allow lets the peer send more, of which it has to be told.
func (st *stream) allow(n int) {
	st.mu.Lock()
	st.receivable += n
	st.mu.Unlock()
}

// finish notes that the peer sends nothing more.
func (st *stream) finish() {
	st.mu.Lock()
	st.peerDone = true
	st.mu.Unlock()
	st.readable.Broadcast()
}

// grant lets the writer send more bytes.
func (st *stream) grant(n uint32) error {
	st.mu.Lock()
	st.sendable += int64(n)
	exceeded := st.sendable > math.MaxUint32
	st.mu.Unlock()
	if exceeded {
		return errWindow
	}
	st.writable.Broadcast()
	return nil
}

// LocalAddr returns the local address of the WebSocket.
func (st *stream) LocalAddr() net.Addr { return st.session.ws.LocalAddr() }

// RemoteAddr returns the peer's address.
func (st *stream) RemoteAddr() net.Addr { return st.session.ws.RemoteAddr() }

// SetDeadline sets both deadlines.
func (st *stream) SetDeadline(t time.Time) error {
	return errors.Join(st.SetReadDeadline(t), st.SetWriteDeadline(t))
}

// SetReadDeadline sets when Read gives up; the zero time is never.
func (st *stream) SetReadDeadline(t time.Time) error {
	return st.setDeadline(&st.readUntil, t, &st.readable)
}

// SetWriteDeadline sets when Write stops waiting for the peer to read; the zero
// time is never.
func (st *stream) SetWriteDeadline(t time.Time) error {
	return st.setDeadline(&st.writtenTill, t, &st.writable)
}

func (st *stream) setDeadline(d *deadline, t time.Time, waiting *sync.Cond) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.failure != nil {
		return st.failure
	}
	d.reset(t, waiting)
	return nil
}
