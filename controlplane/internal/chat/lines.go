package chat

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxLineBytes is how long one line of an answer may be; Ollama's own clients
// give up at as much.
const maxLineBytes = 8 << 20

// Lines reads a stream of JSON objects, one a line.
type Lines struct {
	r    *bufio.Reader
	long []byte
}

// NewLines returns a reader of r's lines.
func NewLines(r io.Reader) *Lines { return &Lines{r: bufio.NewReaderSize(r, 4<<10)} }

// Next returns the next line that is not empty, without its end. It is valid
// until the call after. The end of the input is io.EOF, also behind a last line
// without a newline, which is not returned: it may have been cut off.
func (l *Lines) Next() ([]byte, error) {
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func (l *Lines) line() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	l.long = append(l.long[:0], line...)
	for {
		line, err = l.r.ReadSlice('\n')
		l.long = append(l.long, line...)
		switch {
		case err == nil:
			return l.long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(l.long) > maxLineBytes:
			return nil, fault.New(fault.TooLarge, "a line of the answer is over %d MiB", maxLineBytes>>20).On(fault.Ollama)
		}
	}
}
