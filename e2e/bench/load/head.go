package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// head is what a client needs of a response's head.
type head struct {
	status  int
	chunked bool
	length  int64 // of the body in bytes; -1 when unknown
	closes  bool  // the server closes the connection after this answer
}

// parseHead reads a response's head, without the empty line that ends it.
func parseHead(p []byte) (head, error) {
	h := head{length: -1}
	line, rest, _ := bytes.Cut(p, []byte("\r\n"))
	version, after, ok := bytes.Cut(line, []byte(" "))
	if !ok || !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(after) < 3 {
		return h, fmt.Errorf("%w: status line %q", ErrMalformed, clip(line))
	}
	status, err := strconv.ParseUint(string(after[:3]), 10, 16)
	if err != nil {
		return h, fmt.Errorf("%w: status line %q", ErrMalformed, clip(line))
	}
	h.status = int(status)
	h.closes = string(version) == "HTTP/1.0"
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case equalFold(name, "Transfer-Encoding"):
			h.chunked = equalFold(value, "chunked")
		case equalFold(name, "Connection"):
			h.closes = h.closes || equalFold(value, "close")
		case equalFold(name, "Content-Length"):
			n, err := strconv.ParseUint(string(value), 10, 62)
			if err != nil {
				return h, fmt.Errorf("%w: content length %q", ErrMalformed, clip(value))
			}
			h.length = int64(n)
		}
	}
	if !h.chunked && h.length < 0 {
		return h, fmt.Errorf("%w: neither chunks nor a length", ErrMalformed)
	}
	return h, nil
}

// equalFold compares a header's bytes with an ASCII word, without allocating.
func equalFold(p []byte, word string) bool {
	if len(p) != len(word) {
		return false
	}
	for i := range p {
		if p[i]|0x20 != word[i]|0x20 {
			return false
		}
	}
	return true
}

// clip bounds what an error quotes of a stranger's bytes.
func clip(p []byte) []byte { return p[:min(len(p), 200)] }
