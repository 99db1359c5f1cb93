package edge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hangups notices clients that leave while nothing is read from them or
// written to them. One goroutine waits on one epoll instance for all requests
// under way.
//
// A file descriptor's number is reused as soon as it is closed, so no event is
// ever matched by it: each watch has a number of its own, never used twice, and
// descriptors are touched only through RawConn.Control, which holds them open.
type hangups struct {
	epoll int
	wake  int // an eventfd; readable when run must end

	mu   sync.Mutex
	last uint64
	left map[uint64]func()
}

func openHangups() (*hangups, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open eventfd: %w", err), unix.Close(epoll))
	}
	h := &hangups{epoll: epoll, wake: wake, left: map[uint64]func(){}}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, eventFor(0, unix.EPOLLIN)); err != nil {
		return nil, errors.Join(fmt.Errorf("watch eventfd: %w", err), h.close())
	}
	return h, nil
}

// run delivers events until stop is called.
func (h *hangups) run() error {
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(h.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for clients that leave: %w", err)
		}
		for i := range max(n, 0) {
			id := uint64(uint32(events[i].Fd)) | uint64(uint32(events[i].Pad))<<32
			if id == 0 {
				return nil
			}
			h.report(id)
		}
	}
}

// report calls left under the lock, so that a watch that was stopped stays silent.
func (h *hangups) report(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := h.left[id]; left != nil {
		left()
	}
}

// stop makes run return.
func (h *hangups) stop() error {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, err := unix.Write(h.wake, one[:])
	return err
}

// close frees the descriptors, after run has returned.
func (h *hangups) close() error { return errors.Join(unix.Close(h.epoll), unix.Close(h.wake)) }

// watch calls left, which must not block, once when the peer of c closes its
// side or the connection breaks. The watch ends when the returned function is
// called; left is not called after that. Connections without a descriptor are
// not watched.
func (h *hangups) watch(c net.Conn, left func()) (stop func()) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() {}
	}
	h.mu.Lock()
	h.last++
	id := h.last
	h.left[id] = left
	h.mu.Unlock()
	forget := func() {
		h.mu.Lock()
		delete(h.left, id)
		h.mu.Unlock()
	}

	var added error
	err = raw.Control(func(fd uintptr) {
		event := eventFor(id, unix.EPOLLRDHUP|unix.EPOLLONESHOT)
		added = unix.EpollCtl(h.epoll, unix.EPOLL_CTL_ADD, int(fd), event)
	})
	if err != nil || added != nil {
		// The connection is closed already, which its next write will tell, or
		// the kernel is out of memory for watches: the request goes on without.
		forget()
		return func() {}
	}
	return func() {
		forget()
		// An error means that the connection was closed, which ended the watch.
		_ = raw.Control(func(fd uintptr) {
			_ = unix.EpollCtl(h.epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
		})
	}
}

// eventFor packs a watch's number into the data that the kernel hands back.
func eventFor(id uint64, events uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: events, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
}
