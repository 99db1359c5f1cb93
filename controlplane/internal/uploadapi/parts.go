package uploadapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"net/textproto"
	"strings"
)

// parts reads the parts of a form. What a part has is read straight to where it is wanted:
// mime/multipart has it pass 4 KiB of its own, which takes about as long as to hash it.
type parts struct {
	from      io.Reader
	err       error  // of from
	line      []byte // how a line ends
	delimiter []byte // what ends a part: the end of a line, two dashes, the boundary
	steps     steps
	begun     bool // the first delimiter has come

	buffer []byte
	held   []byte // what came and was not read yet, in buffer
	clear  int    // so many bytes of held are the part's
	skip   int    // so many of those are the end of the line before it
	ended  bool   // behind those is a delimiter
}

// How much is held, and how it is read.
const (
	heldBytes        = 256 << 10
	directBytes      = 4 << 10 // to where as much is wanted, it is read without a copy
	maxHeaderBytes   = 16 << 10
	maxBoundaryBytes = 70 // of RFC 2046
)

var (
	errBoundary   = errors.New("the boundary of the form is none, or too long")
	errNoHeader   = errors.New("a part of the form has no header")
	errLongHeader = errors.New("a part of the form has a header that is too long")
)

func newParts(from io.Reader, boundary string) (*parts, error) {
	if boundary == "" || len(boundary) > maxBoundaryBytes || strings.ContainsAny(boundary, "\r\n") {
		return nil, errBoundary
	}
	p := &parts{from: from, line: []byte("\r\n"), delimiter: []byte("\r\n--" + boundary), buffer: make([]byte, heldBytes)}
	p.steps.learn(p.delimiter)
	p.hold(p.line) // so that what the form begins with is a delimiter like any other
	return p, nil
}

// part is a part of a form. It is read before the next one is asked for.
type part struct {
	io.Reader

	name     string
	filename string
}

// next returns the next part; io.EOF is that there is none.
func (p *parts) next() (part, error) {
	if _, err := io.Copy(io.Discard, p); err != nil { // what nobody has read of the one before
		return part{}, err
	}
	header, err := p.header()
	if err != nil {
		return part{}, err
	}
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(header))).ReadMIMEHeader()
	if err != nil {
		return part{}, err
	}
	is := part{Reader: p}
	if kind, params, err := mime.ParseMediaType(fields.Get("Content-Disposition")); err == nil && kind == "form-data" {
		is.name, is.filename = params["name"], params["filename"]
	}
	return is, nil
}

// Read reads the part to its end.
func (p *parts) Read(to []byte) (int, error) {
	if len(to) == 0 {
		return 0, nil
	}
	for {
		if n := min(p.skip, p.clear); n > 0 {
			p.skip -= n
			p.take(n)
		}
		switch {
		case p.clear > 0:
			n := copy(to, p.held[:p.clear])
			p.take(n)
			return n, nil
		case p.ended:
			return 0, io.EOF
		case p.err != nil:
			return 0, p.broken()
		case len(to) >= directBytes && p.skip == 0:
			if n := p.direct(to); n > 0 {
				return n, nil
			}
		default:
			p.more()
		}
	}
}

func (p *parts) take(n int) {
	p.held = p.held[n:]
	p.clear -= n
}

// direct reads to where it is wanted, and keeps what may be a delimiter.
func (p *parts) direct(to []byte) int {
	to = to[:min(len(to), len(p.buffer))]
	held := copy(to, p.held)
	n, err := p.from.Read(to[held:])
	p.held, p.err = to[:held+n], err
	p.look()
	n = p.clear
	p.hold(p.held[n:])
	return n
}

// hold holds bytes of which none are the part's yet.
func (p *parts) hold(b []byte) {
	p.held = p.buffer[:copy(p.buffer, b)]
	p.clear = 0
}

// more reads more to hold.
func (p *parts) more() {
	p.hold(p.held)
	n, err := p.from.Read(p.buffer[len(p.held):])
	p.held, p.err = p.buffer[:len(p.held)+n], err
	p.look()
}

// look finds out what of that which is held is the part's, and whether it ends there.
func (p *parts) look() {
	p.clear, p.ended = 0, false
	for at := 0; ; at++ {
		i := p.steps.index(p.held[at:], p.delimiter)
		if i < 0 {
			p.clear = len(p.held) - p.beginning()
			return
		}
		at += i
		is, known := isDelimiter(p.held[at+len(p.delimiter):])
		if is || !known {
			p.clear, p.ended = at, is
			return
		}
	}
}

// beginning returns how many bytes at the end of what is held may begin a delimiter.
func (p *parts) beginning() int {
	tail := p.held[max(0, len(p.held)-len(p.delimiter)+1):]
	if i := bytes.LastIndexByte(tail, p.delimiter[0]); i >= 0 && bytes.HasPrefix(p.delimiter, tail[i:]) {
		return len(tail) - i
	}
	return 0
}

// isDelimiter reports whether what looks like a delimiter is one, by what follows, and
// whether enough of that has come to know.
func isDelimiter(followed []byte) (is, known bool) {
	switch {
	case len(followed) == 0, len(followed) == 1 && followed[0] == '-':
		return false, false
	case followed[0] == '-':
		return followed[1] == '-', true
	}
	return strings.IndexByte(" \t\r\n", followed[0]) >= 0, true
}

// steps are how far a delimiter's last byte is at least from one that is seen, as Horspool
// has it: of most content only a byte in some thirty is looked at.
type steps [256]uint8

func (s *steps) learn(delimiter []byte) {
	for i := range s {
		s[i] = uint8(len(delimiter)) // at most 74
	}
	for i, c := range delimiter[:len(delimiter)-1] {
		s[c] = uint8(len(delimiter) - 1 - i)
	}
}

// index is [bytes.Index] of a delimiter that was learned.
func (s *steps) index(b, delimiter []byte) int {
	last := len(delimiter) - 1
	for i := last; i < len(b); i += int(s[b[i]]) {
		if b[i] == delimiter[last] && bytes.Equal(b[i-last:i+1], delimiter) {
			return i - last
		}
	}
	return -1
}

// header takes a delimiter and the header behind it; io.EOF is that it was the last one.
func (p *parts) header() ([]byte, error) {
	if !p.begun && p.held[len(p.delimiter)] == '\n' { // so some end lines, and are understood
		p.line, p.delimiter = p.line[1:], p.delimiter[1:]
		p.steps.learn(p.delimiter)
		p.hold(p.held[1:])
	}
	p.begun = true
	for {
		rest := p.held[len(p.delimiter):]
		isLast := rest[0] == '-'
		if isLast {
			rest = rest[len("--"):]
		}
		padding, _, lineEnds := bytes.Cut(rest, p.line)
		switch {
		case (lineEnds || isLast && p.err == io.EOF) && len(bytes.Trim(padding, " \t")) > 0:
			return nil, errNoHeader
		case isLast && (lineEnds || p.err == io.EOF):
			return nil, io.EOF
		case lineEnds && !isLast:
			rest = rest[len(padding):]
			if n := bytes.Index(rest, bytes.Repeat(p.line, 2)); n >= 0 && n <= maxHeaderBytes {
				header := bytes.Clone(rest[len(p.line) : n+2*len(p.line)])
				p.hold(rest[n+len(p.line):]) // the end of the empty line may belong to a delimiter
				p.skip = len(p.line)
				p.look()
				return header, nil
			}
		}
		switch {
		case len(rest) > maxHeaderBytes:
			return nil, errLongHeader
		case p.err != nil:
			return nil, p.broken()
		}
		p.more()
	}
}

// broken is why there is no more, in the middle of a part.
func (p *parts) broken() error {
	if p.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return p.err
}
