package load

import (
	"bytes"
	"fmt"
)

// maxLine bounds a line of a body, in bytes.
const maxLine = 1 << 20

// lines splits a body into lines, wherever the pieces that it comes in end.
type lines struct {
	part  []byte                  // a line of which the end is missing
	last  []byte                  // the last whole line that is not empty
	count int                     // whole lines that are not empty
	heard func(line []byte) error // hears each of them; nil: nobody does
}

func (l *lines) reset() {
	l.part, l.last, l.count = l.part[:0], l.last[:0], 0
}

func (l *lines) add(p []byte) error {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		whole := i >= 0
		if !whole {
			i = len(p)
		}
		if l.part = append(l.part, p[:i]...); len(l.part) > maxLine {
			return fmt.Errorf("%w: a line of over %d bytes", ErrMalformed, maxLine)
		}
		if !whole {
			return nil
		}
		if err := l.end(); err != nil {
			return err
		}
		p = p[i+1:]
	}
	return nil
}

// end makes what was gathered a whole line. An error is that of who hears it.
func (l *lines) end() error {
	if len(bytes.TrimSpace(l.part)) == 0 {
		l.part = l.part[:0]
		return nil
	}
	l.last, l.part = l.part, l.last[:0]
	l.count++
	if l.heard == nil {
		return nil
	}
	return l.heard(l.last)
}

// closesGeneration tells whether a line is the last one of a whole generation.
// Within a JSON string the quotes of the mark would be escaped, so that it is
// never part of what a model said, and the line need not be decoded.
func closesGeneration(line []byte) bool {
	return (bytes.Contains(line, []byte(`"done":true`)) || bytes.Contains(line, []byte(`"done": true`))) &&
		bytes.HasSuffix(bytes.TrimSpace(line), []byte("}")) &&
		!bytes.Contains(line, []byte(`"error":`))
}
