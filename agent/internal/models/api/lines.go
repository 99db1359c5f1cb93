package api

import (
	"bufio"
	"io"
)

// newLines reads the lines of a stream.
func newLines(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4<<10), maxLine)
	return s
}
