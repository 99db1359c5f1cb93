package client

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadBounded(t *testing.T) {
	if b, err := readBounded(strings.NewReader("four"), 4); string(b) != "four" || err != nil {
		t.Errorf("at the limit: %q, %v", b, err)
	}
	if _, err := readBounded(strings.NewReader("five!"), 4); !errors.Is(err, errTooLarge) {
		t.Errorf("over the limit: %v, want errTooLarge", err)
	}
}

func TestEventsAreBounded(t *testing.T) {
	long := "data: " + strings.Repeat("x", maxEvent)
	if _, err := newEventReader(strings.NewReader(long + "\n\n")).next(); !errors.Is(err, errTooLarge) {
		t.Errorf("one long line: %v, want errTooLarge", err)
	}
	many := strings.Repeat("data: "+strings.Repeat("x", maxEvent/4)+"\n", 5)
	if _, err := newEventReader(strings.NewReader(many + "\n")).next(); !errors.Is(err, errTooLarge) {
		t.Errorf("many lines: %v, want errTooLarge", err)
	}
}

// FuzzEvents: whatever comes, the reader ends, and what it returns was sent.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"message\":\"Hi\"}\n\n: comment\n\ndata:a\r\ndata: b\r\n\r\n"))
	f.Add([]byte("event: x\nid\ndata\n\n\ndata: cut off"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		events := newEventReader(bytes.NewReader(stream))
		size := 0
		for {
			data, err := events.next()
			if err != nil {
				if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errTooLarge) {
					t.Fatalf("ended with %v", err)
				}
				return
			}
			if size += len(data); size > len(stream) {
				t.Fatalf("%d bytes of data in a stream of %d", size, len(stream))
			}
		}
	})
}
