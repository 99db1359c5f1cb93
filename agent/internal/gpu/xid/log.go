package xid

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// recordBytes is more than the longest record of the log, which is read whole or
// not at all.
const recordBytes = 16 << 10

// maxRecords bounds what is read of the log at once. What is left is read the
// next time.
const maxRecords = 10_000

// Log reads the faults in the kernel log. It is used by one goroutine at a time.
type Log struct {
	fd     int
	after  uint64 // the last record that is not wanted, or has been read
	any    bool   // whether after means anything
	buf    []byte
	parser parser
	uptime func() time.Duration
}

// OpenLog opens the kernel log, which is a device such as /dev/kmsg, from which
// a read takes one record and does not wait. after is a record: those up to it
// are left out. Without it all are read that the kernel still has.
func OpenLog(path string, after gpu.Value[uint64]) (*Log, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the kernel log %s: %w", path, err)
	}
	return &Log{fd: fd, after: after.V, any: after.Known, buf: make([]byte, recordBytes), uptime: uptime}, nil
}

// Close closes the log.
func (l *Log) Close() error { return unix.Close(l.fd) }

// Last is the last record that was read, or left out.
func (l *Log) Last() gpu.Value[uint64] { return gpu.If(l.any, l.after) }

// Read appends the events that came since it was called last, and does not wait
// for any. now is the time of day.
func (l *Log) Read(dst []gpu.Event, now time.Time) ([]gpu.Event, error) {
	up := l.uptime()
	for range maxRecords {
		n, err := unix.Read(l.fd, l.buf)
		switch {
		case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.EINTR):
			continue // records were overwritten before they were read
		case errors.Is(err, syscall.EAGAIN):
			return dst, nil
		case err != nil:
			return dst, fmt.Errorf("read the kernel log: %w", err)
		case n == 0:
			return dst, nil
		}
		dst = l.records(dst, string(l.buf[:n]), now, up)
	}
	return dst, nil
}

func (l *Log) records(dst []gpu.Event, lines string, now time.Time, up time.Duration) []gpu.Event {
	for line := range strings.Lines(lines) {
		r, ok := parseRecord(line)
		if !ok || l.any && r.sequence <= l.after {
			continue
		}
		l.after, l.any = r.sequence, true
		if e, ok := l.parser.parse(r.text); ok {
			e.At, e.Source = now.Add(r.sinceUp-up).UTC(), gpu.FromLog
			dst = append(dst, e)
		}
	}
	return dst
}

// uptime is the kernel log's clock, which stands still while the host sleeps.
func uptime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
