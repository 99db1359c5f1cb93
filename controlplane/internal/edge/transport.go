package edge

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// transport is an accepted connection whose writes have a rolling deadline:
// each time the peer takes a byte, it has the whole timeout for the next one.
// It lies under TLS, which an expired deadline would break for good.
type transport struct {
	net.Conn
	writeTimeout atomic.Int64 // nanoseconds
	writeBy      atomic.Int64 // set by SetWriteDeadline, in Unix nanoseconds; 0 is none
}

// Write writes all of p or fails. An earlier deadline of SetWriteDeadline stands.
func (t *transport) Write(p []byte) (int, error) {
	written := 0
	for {
		deadline := time.Now().Add(time.Duration(t.writeTimeout.Load()))
		by := t.writeBy.Load()
		if by != 0 && by < deadline.UnixNano() {
			deadline = time.Unix(0, by)
		}
		if err := t.Conn.SetWriteDeadline(deadline); err != nil {
			return written, err
		}
		n, err := t.Conn.Write(p[written:])
		written += n
		stalled := n == 0 || by != 0
		if err == nil || stalled || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
	}
}

// SetWriteDeadline sets an absolute deadline beside the rolling one; the zero
// time takes it away again.
func (t *transport) SetWriteDeadline(at time.Time) error {
	if at.IsZero() {
		t.writeBy.Store(0)
	} else {
		t.writeBy.Store(at.UnixNano())
	}
	return t.Conn.SetWriteDeadline(at)
}

// SetDeadline sets both deadlines.
func (t *transport) SetDeadline(at time.Time) error {
	if err := t.SetWriteDeadline(at); err != nil {
		return err
	}
	return t.Conn.SetReadDeadline(at)
}

// closeWrite tells the peer that nothing more will come.
func (t *transport) closeWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
