package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxEvent bounds one event of a stream, in bytes.
const maxEvent = 8 << 20

// eventReader reads the data of server-sent events. Names, ids and comments are
// skipped: the API's streams have one sort of event alone.
type eventReader struct {
	lines *bufio.Scanner
	data  []byte
}

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	return &eventReader{lines: lines}
}

// next returns the next event's data, valid until the call after. An event
// that the stream's end cut off is io.ErrUnexpectedEOF, and so is the end
// itself: a stream of the API ends with an event that says so.
func (e *eventReader) next() ([]byte, error) {
	e.data = e.data[:0]
	some := false
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if some {
				return e.data, nil
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue
		}
		if some {
			e.data = append(e.data, '\n')
		}
		some = true
		e.data = append(e.data, bytes.TrimPrefix(value, []byte(" "))...)
		if len(e.data) > maxEvent {
			return nil, errTooLarge
		}
	}
	err := e.lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, errTooLarge
	case err != nil:
		return nil, err
	}
	return nil, io.ErrUnexpectedEOF
}
