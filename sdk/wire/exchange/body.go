package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// body reads a message's body from br and ends with io.EOF exactly at its end,
// so that the next message can follow. A connection that breaks off earlier
// reads as io.ErrUnexpectedEOF.
type body struct {
	br        *bufio.Reader
	chunked   bool
	untilEnd  bool  // neither chunked nor of known length: the connection's end is the body's
	remaining int64 // of the body, or of the current chunk
	inChunk   bool  // a chunk has begun and its closing CRLF has not been read
	done      bool
	broken    error // what a read failed with, as every further one will
}

func newBody(br *bufio.Reader, h *head) body {
	b := body{br: br, chunked: h.chunked}
	switch {
	case h.chunked:
	case h.length == unknownLength:
		b.untilEnd = true
	default:
		b.remaining = h.length
		b.done = h.length == 0
	}
	return b
}

// Read returns as much as is there already, over as many chunks, and waits only
// when there is nothing. The end comes together with the last bytes where it is
// there already.
func (b *body) Read(p []byte) (int, error) {
	if b.broken != nil {
		return 0, b.broken
	}
	n := 0
	for !b.done && n < len(p) {
		if n > 0 && !b.ready() {
			return n, nil
		}
		m, err := b.readSome(p[n:])
		n += m
		if err != nil {
			b.broken = err
			return n, err
		}
	}
	if b.done {
		return n, io.EOF
	}
	return n, nil
}

// await waits until a Read would not.
func (b *body) await() {
	for !b.done && b.broken == nil && !b.ready() {
		_, err := b.br.Peek(b.br.Buffered() + 1)
		if err == io.EOF || err == bufio.ErrBufferFull {
			return // which Read finds again
		}
		b.broken = err // which a connection need not tell twice
	}
}

// ready reports whether readSome can go on without waiting.
func (b *body) ready() bool {
	buffered := b.br.Buffered()
	if buffered == 0 {
		return false
	}
	if !b.chunked || b.remaining > 0 {
		return true
	}
	// The next chunk's line has to be there whole, behind the CRLF that closes
	// the last one; of the last chunk the empty line as well.
	there, _ := b.br.Peek(buffered)
	if b.inChunk {
		if len(there) < 2 {
			return false
		}
		there = there[2:]
	}
	line, rest, ok := bytes.Cut(there, []byte("\n"))
	if !ok {
		return false
	}
	if len(line) > 0 && line[0] == '0' {
		return bytes.HasPrefix(rest, []byte("\r\n")) || bytes.HasPrefix(rest, []byte("\n"))
	}
	return true
}

// readSome reads once: a piece of the body, or a chunk's line.
func (b *body) readSome(p []byte) (int, error) {
	if b.chunked && b.remaining == 0 {
		return 0, b.nextChunk()
	}
	if !b.untilEnd && int64(len(p)) > b.remaining {
		p = p[:b.remaining]
	}
	n, err := b.br.Read(p)
	if b.untilEnd {
		if err == io.EOF {
			b.done = true
			err = nil
		}
		return n, err
	}
	b.remaining -= int64(n)
	if b.remaining == 0 && !b.chunked {
		b.done = true
	}
	if err == io.EOF {
		err = nil
		if !b.done {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

var errChunk = errors.New("exchange: malformed chunk")

// nextChunk reads up to the first byte of the next chunk, or to the body's end.
func (b *body) nextChunk() error {
	if b.inChunk {
		b.inChunk = false
		if line, err := b.readLine(); err != nil || len(line) != 0 {
			return errors.Join(err, errChunk)
		}
	}
	line, err := b.readLine()
	if err != nil {
		return err
	}
	size, err := parseChunkSize(line)
	if err != nil {
		return err
	}
	if size > 0 {
		b.remaining, b.inChunk = size, true
		return nil
	}
	for trailers := 0; trailers <= maxHeadBytes; { // they are of no use here
		line, err := b.readLine()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			b.done = true
			return nil
		}
		trailers += len(line)
	}
	return errChunk
}

func (b *body) readLine() ([]byte, error) {
	line, err := b.br.ReadSlice('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("exchange: read chunk: %w", err)
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

func parseChunkSize(line []byte) (int64, error) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	if len(digits) == 0 || len(digits) > 15 {
		return 0, errChunk
	}
	var size int64
	for _, d := range digits {
		switch {
		case '0' <= d && d <= '9':
			size = size<<4 | int64(d-'0')
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			size = size<<4 | int64(d|0x20-'a'+10)
		default:
			return 0, errChunk
		}
	}
	return size, nil
}
