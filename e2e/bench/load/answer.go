package load

import (
	"bytes"
	"errors"
	"fmt"
)

// What can be wrong with an answer that came.
var (
	ErrMalformed  = errors.New("the answer is not HTTP as it should be")
	ErrRefused    = errors.New("the answer is an error")
	ErrIncomplete = errors.New("the stream ended without its last line")
)

// maxHead bounds a head, in bytes, and each line of the framing after it.
const maxHead = 64 << 10

// state is where in the framing of an answer a reader is.
type state uint8

const (
	inHead state = iota
	inLength
	inChunkSize
	inChunk
	afterChunk
	inTrailer
	atEnd
)

// answer reads one HTTP answer of NDJSON lines as it comes in pieces of any
// size. It is reused from one answer to the next.
type answer struct {
	state state
	head  head
	left  int64  // bytes of the body, or of the chunk, still to come
	part  []byte // a head, chunk size or trailer of which the end is missing
	body  lines
}

func (a *answer) reset() {
	a.state, a.part = inHead, a.part[:0]
	a.body.reset()
}

// feed takes the next bytes of the connection. Bytes after the answer's end
// are an error: nothing was asked that they could answer.
func (a *answer) feed(p []byte) error {
	for len(p) > 0 {
		var err error
		switch a.state {
		case inHead:
			p, err = a.feedHead(p)
		case inLength, inChunk:
			p, err = a.feedBody(p)
		case inChunkSize, afterChunk, inTrailer:
			p, err = a.feedFrame(p)
		case atEnd:
			err = fmt.Errorf("%w: %q follows it", ErrMalformed, clip(p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// feedHead gathers the head and returns what follows it.
func (a *answer) feedHead(p []byte) ([]byte, error) {
	// The mark may lie across two feeds: the search starts three bytes back.
	from := max(len(a.part)-3, 0)
	before := len(a.part)
	a.part = append(a.part, p...)
	i := bytes.Index(a.part[from:], []byte("\r\n\r\n"))
	if i < 0 {
		if len(a.part) > maxHead {
			return nil, fmt.Errorf("%w: a head of over %d bytes", ErrMalformed, maxHead)
		}
		return nil, nil
	}
	end := from + i
	h, err := parseHead(a.part[:end])
	if err != nil {
		return nil, err
	}
	a.head = h
	a.part = a.part[:0]
	switch {
	case h.chunked:
		a.state = inChunkSize
	case h.length > 0:
		a.state, a.left = inLength, h.length
	default:
		err = a.finish()
	}
	return p[end+4-before:], err
}

// feedBody takes bytes of the body, up to the end of the body or chunk.
func (a *answer) feedBody(p []byte) ([]byte, error) {
	n := min(int64(len(p)), a.left)
	if err := a.body.add(p[:n]); err != nil {
		return nil, err
	}
	var err error
	if a.left -= n; a.left == 0 {
		if a.state == inLength {
			err = a.finish()
		} else {
			a.state = afterChunk
		}
	}
	return p[n:], err
}

// feedFrame takes one line of the framing between chunks.
func (a *answer) feedFrame(p []byte) ([]byte, error) {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		i = len(p) - 1
	}
	if a.part = append(a.part, p[:i+1]...); len(a.part) > maxHead {
		return nil, fmt.Errorf("%w: a line of %d bytes between chunks", ErrMalformed, len(a.part))
	}
	if a.part[len(a.part)-1] != '\n' {
		return nil, nil
	}
	line := bytes.TrimRight(a.part, "\r\n")
	a.part = a.part[:0]
	switch {
	case a.state == inChunkSize:
		n, err := chunkSize(line)
		if err != nil {
			return nil, err
		}
		if a.left, a.state = n, inChunk; n == 0 {
			a.state = inTrailer
		}
	case a.state == inTrailer && len(line) == 0:
		return p[i+1:], a.finish()
	case a.state == afterChunk && len(line) != 0:
		return nil, fmt.Errorf("%w: %q after a chunk", ErrMalformed, clip(line))
	case a.state == afterChunk:
		a.state = inChunkSize
	}
	return p[i+1:], nil
}

// chunkSize parses a chunk's size and passes over its extensions.
func chunkSize(line []byte) (int64, error) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimSpace(digits)
	var n int64
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | int64(c|0x20-'a'+10)
		default:
			return 0, fmt.Errorf("%w: chunk size %q", ErrMalformed, clip(line))
		}
	}
	if len(digits) == 0 || len(digits) > 8 {
		return 0, fmt.Errorf("%w: chunk size %q", ErrMalformed, clip(line))
	}
	return n, nil
}

// finish ends the body. An answer that is not streamed has no line break.
func (a *answer) finish() error {
	a.state = atEnd
	return a.body.end()
}

// verdict says why a whole answer does not count, and is nil when it does.
func (a *answer) verdict() error {
	switch {
	case a.state != atEnd:
		return fmt.Errorf("%w: cut after %d lines", ErrIncomplete, a.body.count)
	case a.head.status != 200:
		return fmt.Errorf("%w: status %d: %s", ErrRefused, a.head.status, clip(a.body.last))
	case !closesGeneration(a.body.last):
		return fmt.Errorf("%w: after %d lines, the last %q", ErrIncomplete, a.body.count, clip(a.body.last))
	}
	return nil
}
