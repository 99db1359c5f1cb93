// Package exchange is a thin HTTP/1.1 for both ends of a tunnel.
//
// A chat answer is a few dozen small pieces, and each passes two hops between a
// caller and Ollama. On that path the general HTTP client and server cost more
// than the hop itself, so this package keeps connections open, moves pieces as
// they come without buffering them longer, and does little else: no redirects,
// no cookies, no trailers, no upgrades, no pipelining.
//
// What is sent is HTTP/1.1 as RFC 9112 has it; either end can be replaced by
// any other implementation.
package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxHeadBytes bounds a request's or response's head, and a body's trailers.
const maxHeadBytes = 64 << 10

// readBuffer is the memory that each end of a connection reads through, in
// bytes: a few tokens' worth, as there is one for each stream that is open, and
// larger pieces of a body pass it by.
const readBuffer = 4 << 10

// unknownLength marks a body whose length is not known before its end.
const unknownLength = -1

// Field is one header field.
type Field struct {
	Name, Value string
}

// Fields are the header fields of a message, in the order of the wire.
type Fields []Field

// Get returns the first value of a field, or "". Names compare without case.
func (f Fields) Get(name string) string {
	for i := range f {
		if strings.EqualFold(f[i].Name, name) {
			return f[i].Value
		}
	}
	return ""
}

// head is a parsed head: the three parts of its first line and its fields.
type head struct {
	first, second, third string
	fields               Fields
	length               int64 // of the body; unknownLength when chunked or until close
	chunked              bool
	close                bool // the connection ends after this message

	raw []byte // memory that heads are collected in
}

var (
	errHead      = errors.New("exchange: malformed head")
	errHeadLarge = fmt.Errorf("exchange: head is over %d bytes", maxHeadBytes)
)

// readHead reads a head into h, reusing its memory for fields. An end of input
// before the first byte is io.EOF.
func readHead(br *bufio.Reader, h *head) error {
	raw, err := readRawHead(br, h.raw[:0])
	h.raw = raw
	if err != nil {
		return err
	}
	text := string(raw) // the one allocation; all parts point into it
	line, rest, _ := strings.Cut(text, "\n")
	line = strings.TrimSuffix(line, "\r")
	first, tail, ok := strings.Cut(line, " ")
	if !ok || first == "" {
		return errHead
	}
	second, third, _ := strings.Cut(tail, " ")
	*h = head{first: first, second: second, third: third, fields: h.fields[:0], length: unknownLength, raw: raw}
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return errHead
		}
		h.fields = append(h.fields, Field{Name: name, Value: strings.Trim(value, " \t")})
	}
	return h.frame()
}

// frame reads from the fields how the body is delimited.
func (h *head) frame() error {
	for _, f := range h.fields {
		switch {
		case strings.EqualFold(f.Name, "Content-Length"):
			n, err := strconv.ParseUint(f.Value, 10, 63)
			if err != nil || (h.length != unknownLength && h.length != int64(n)) {
				return errHead
			}
			h.length = int64(n)
		case strings.EqualFold(f.Name, "Transfer-Encoding"):
			if !strings.EqualFold(f.Value, "chunked") {
				return errHead
			}
			h.chunked = true
		case strings.EqualFold(f.Name, "Connection"):
			h.close = h.close || hasToken(f.Value, "close")
		}
	}
	if h.chunked && h.length != unknownLength {
		return errHead // a message with both is how requests are smuggled
	}
	return nil
}

// speaks checks the version in the first line of a head. One of HTTP/1.0 is the
// last message on its connection.
func (h *head) speaks(version string) error {
	switch version {
	case "HTTP/1.1":
	case "HTTP/1.0":
		if h.chunked {
			return errHead // there were no chunks then; somebody on the way may have known none
		}
		h.close = true
	default:
		return errHead
	}
	return nil
}

// hasToken reports whether a field's value, a list, has this element.
func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(element, " \t"), token) {
			return true
		}
	}
	return false
}

// readRawHead appends the bytes up to and including the empty line to raw.
func readRawHead(br *bufio.Reader, raw []byte) ([]byte, error) {
	if _, err := br.Peek(1); err != nil {
		return raw, err
	}
	for {
		line, err := br.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return raw, fmt.Errorf("exchange: read head: %w", err)
		}
		raw = append(raw, line...)
		if len(raw) > maxHeadBytes {
			return raw, errHeadLarge
		}
		// The end is looked for in all that came: a line that is longer than the
		// reader's buffer comes in parts, and its last one may look empty.
		if bytes.HasSuffix(raw, []byte("\n\r\n")) || bytes.HasSuffix(raw, []byte("\n\n")) {
			return raw, nil
		}
	}
}

// appendField appends a field. A name or value that would break out of its line
// is left out.
func appendField(dst []byte, name, value string) []byte {
	if name == "" || strings.ContainsAny(name, "\r\n: ") || strings.ContainsAny(value, "\r\n") {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// framing reports fields that this package sets itself.
func framing(name string) bool {
	switch len(name) {
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	case len("Connection"):
		return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Keep-Alive")
	case len("Upgrade"), len("Te"):
		return strings.EqualFold(name, "Upgrade") || strings.EqualFold(name, "Trailer") || strings.EqualFold(name, "Te")
	}
	return false
}

// visible reports whether a part of a first line can stand there: it is not
// empty, and has nothing in it that would end the part or the line.
func visible(part string) bool {
	for i := range len(part) {
		if part[i] <= ' ' || part[i] == 0x7f {
			return false
		}
	}
	return part != ""
}

// bodiless reports whether a response never has a body, whatever its fields say.
func bodiless(method string, status int) bool {
	return method == "HEAD" || status == 204 || status == 304
}

// appendLength appends the field that delimits a body of n bytes.
func appendLength(dst []byte, n int64) []byte {
	if n == unknownLength {
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}
