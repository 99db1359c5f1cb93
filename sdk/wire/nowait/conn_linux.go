package nowait

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Wrap returns a connection that does the same with less ado, where c is a TCP
// connection or one over a Unix socket, and c itself otherwise. Its methods may
// be called concurrently, as those of any [net.Conn]. What else c can do is only
// reached by its SyscallConn and CloseWrite.
func Wrap(c net.Conn) net.Conn {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return c
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return c
	}
	w := &conn{Conn: c, raw: raw}
	w.reading.try, w.writing.try = w.reading.read, w.writing.write
	return w
}

// conn is a wrapped connection.
type conn struct {
	net.Conn
	raw              syscall.RawConn
	reading, writing operation
}

var (
	_ net.Conn     = (*conn)(nil)
	_ syscall.Conn = (*conn)(nil)
)

// operation is a read or a write under way. It lies in the connection, so that
// none costs memory.
type operation struct {
	mu    sync.Mutex // held while it is under way
	try   func(fd uintptr) (done bool)
	p     []byte
	n     int
	errno syscall.Errno
}

// read is a try to read. It is not done when there is nothing yet.
func (o *operation) read(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&o.p[0])), uintptr(len(o.p)))
		switch errno {
		case 0:
			o.n = int(n)
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			o.errno = errno
			return true
		}
	}
}

// write is a try to write the rest. It is not done while the kernel takes no more.
func (o *operation) write(fd uintptr) bool {
	for o.n < len(o.p) {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&o.p[o.n])), uintptr(len(o.p)-o.n))
		switch errno {
		case 0:
			o.n += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			o.errno = errno
			return true
		}
	}
	return true
}

// do runs an operation, waiting as long as the connection's deadline allows.
func (o *operation) do(p []byte, wait func(try func(fd uintptr) bool) error) (n int, errno syscall.Errno, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.p, o.n, o.errno = p, 0, 0
	err = wait(o.try)
	o.p = nil
	return o.n, o.errno, err
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, errno, err := c.reading.do(p, c.raw.Read)
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, c.failed("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, errno, err := c.writing.do(p, c.raw.Write)
	if err == nil && errno != 0 {
		err = c.failed("write", errno)
	}
	return n, err
}

// failed is what the standard library returns for a system call that failed.
func (c *conn) failed(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}

// SyscallConn implements [syscall.Conn].
func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// CloseWrite tells the peer that nothing more will come.
func (c *conn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}
