package gguf

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	windowBytes = 4 << 20   // read at a time: a remote storage answers few large ranges faster than many small ones
	firstBytes  = 256 << 10 // read first: of a model in many files, all but one have short headers
	budgetBytes = 64 << 20  // read of one file at most
)

// window reads a file from its start to the end of the header, in large pieces. What
// goes wrong first is kept in err, and from then on everything reads as zero.
type window struct {
	file   io.ReaderAt
	size   int64  // of the file
	buf    []byte // a part of the file
	start  int64  // where in the file buf begins
	next   int    // the next byte in buf
	ahead  int    // bytes to read at a time
	budget int64  // bytes that may still be read
	kept   int    // bytes of memory that what was read takes
	err    error
}

func newWindow(file io.ReaderAt, size int64) *window {
	return &window{file: file, size: size, ahead: firstBytes, budget: budgetBytes}
}

// at returns the position in the file of the next byte.
func (w *window) at() int64 { return w.start + int64(w.next) }

// left returns how many bytes of the file are left.
func (w *window) left() int64 { return w.size - w.at() }

// fail keeps a sentence of what is wrong at a byte.
func (w *window) fail(at int64, format string, args ...any) {
	if w.err == nil {
		args = append([]any{at}, args...)
		w.err = fault.New(fault.Invalid, "the file is not a sound GGUF: at byte %d "+format, args...)
	}
}

// need makes n bytes available in buf, at most windowBytes, and says whether they are.
func (w *window) need(n int, what string) bool {
	if w.err != nil {
		return false
	}
	if len(w.buf)-w.next >= n {
		return true
	}
	if int64(n) > w.left() {
		w.fail(w.at(), "%s of %d bytes goes beyond the end of the file, which has %d bytes", what, n, w.size)
		return false
	}
	return w.fill(n)
}

// fill reads on so that buf has what is read at a time and n bytes at least, or all that
// the file has, from the next byte on.
func (w *window) fill(n int) bool {
	want := int(min(int64(max(w.ahead, n)), w.left()))
	w.ahead = windowBytes
	if cap(w.buf) < want {
		grown := make([]byte, want)
		w.buf = grown[:copy(grown, w.buf[w.next:])]
	} else {
		w.buf = w.buf[:copy(w.buf, w.buf[w.next:])]
	}
	w.start, w.next = w.start+int64(w.next), 0
	have := len(w.buf)
	from := w.start + int64(have)
	if int64(want-have) > w.budget {
		w.err = fault.New(fault.Invalid, "the header of the file is too long: its %d MiB do not hold all of it", budgetBytes>>20)
		return false
	}
	n, err := w.file.ReadAt(w.buf[have:want], from)
	w.budget -= int64(n)
	w.buf = w.buf[:have+n]
	switch {
	case have+n == want:
		return true
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		w.err = fault.New(fault.Invalid, "the file ends at byte %d: it should have %d bytes", from+int64(n), w.size)
	default:
		w.err = fault.Wrap(fault.KindOf(err), err, "the header of the file could not be read at byte %d", from)
	}
	return false
}

// skip goes n bytes on, of which those beyond buf are never read.
func (w *window) skip(n int64, what string) {
	if w.err != nil {
		return
	}
	if n > w.left() {
		w.fail(w.at(), "%s of %d bytes goes beyond the end of the file, which has %d bytes", what, n, w.size)
		return
	}
	if n <= int64(len(w.buf)-w.next) {
		w.next += int(n)
		return
	}
	w.start, w.next, w.buf = w.at()+n, 0, w.buf[:0]
}

// bytes returns the next n bytes, which are overwritten by what is read next.
func (w *window) bytes(n int, what string) []byte {
	if !w.need(n, what) {
		return nil
	}
	b := w.buf[w.next : w.next+n]
	w.next += n
	return b
}

func (w *window) uint8(what string) uint8 {
	if b := w.bytes(1, what); b != nil {
		return b[0]
	}
	return 0
}

func (w *window) uint16(what string) uint16 {
	if b := w.bytes(2, what); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (w *window) uint32(what string) uint32 {
	if b := w.bytes(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (w *window) uint64(what string) uint64 {
	if b := w.bytes(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
