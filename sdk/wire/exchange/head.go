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

// maxHeadBytes bounds a request's or response's head.
const maxHeadBytes = 64 << 10

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
}

var (
	errHead      = errors.New("exchange: malformed head")
	errHeadLarge = fmt.Errorf("exchange: head is over %d bytes", maxHeadBytes)
)

// readHead reads a head into h, reusing its memory for fields. An end of input
// before the first byte is io.EOF.
func readHead(br *bufio.Reader, h *head) error {
	raw, err := readRawHead(br)
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
	*h = head{first: first, second: second, third: third, fields: h.fields[:0], length: unknownLength}
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
			h.close = h.close || strings.EqualFold(f.Value, "close")
		}
	}
	if h.chunked && h.length != unknownLength {
		return errHead // a message with both is how requests are smuggled
	}
	return nil
}

// readRawHead returns the bytes up to and including the empty line. They are
// valid until the next read.
func readRawHead(br *bufio.Reader) ([]byte, error) {
	if _, err := br.Peek(1); err != nil {
		return nil, err
	}
	var long []byte // only for a head that does not fit the reader's buffer
	for {
		line, err := br.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("exchange: read head: %w", err)
		}
		long = append(long, line...)
		if len(long) > maxHeadBytes {
			return nil, errHeadLarge
		}
		if err == nil && len(bytes.TrimRight(line, "\r\n")) == 0 && len(long) > len(line) {
			return long, nil
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

// appendLength appends the field that delimits a body of n bytes.
func appendLength(dst []byte, n int64) []byte {
	if n == unknownLength {
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}
