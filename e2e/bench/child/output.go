package child

import (
	"bytes"
	"encoding/json"
	"sync"
)

// tailSize is how much of a program's output is kept for errors, in bytes.
const tailSize = 4 << 10

// maxLine bounds a line that is looked at, in bytes.
const maxLine = 64 << 10

// output takes what a program writes: it keeps the end of it, and looks for
// the JSON line that tells the address the program listens on.
type output struct {
	address chan string // holds the first address

	mu   sync.Mutex
	kept []byte
	line []byte // a line of which the end is missing
	told bool
}

func newOutput() *output { return &output{address: make(chan string, 1)} }

// Write implements io.Writer and never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kept = append(o.kept, p...); len(o.kept) > 2*tailSize {
		o.kept = append(o.kept[:0], o.kept[len(o.kept)-tailSize:]...)
	}
	for rest := p; !o.told; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if len(o.line)+len(line) <= maxLine {
			o.line = append(o.line, line...)
		}
		if !whole {
			break
		}
		o.look(o.line)
		o.line, rest = o.line[:0], after
	}
	return len(p), nil
}

// look tells of the address when the line is the one that has it.
func (o *output) look(line []byte) {
	var entry struct {
		Message string `json:"@message"`
		Address string `json:"address"`
	}
	if json.Unmarshal(line, &entry) != nil || entry.Message != "listening" || entry.Address == "" {
		return
	}
	o.told = true
	o.address <- entry.Address
}

// tail returns the end of what was written.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept[max(0, len(o.kept)-tailSize):])
}
