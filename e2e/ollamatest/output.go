package ollamatest

import (
	"regexp"
	"sync"
)

// listeningLine is what serve logs when it has its socket.
var listeningLine = regexp.MustCompile(`Listening on (\S+:\d+) `)

const outputKept = 64 << 10 // bytes

// output is a writer that keeps the end of what is written to it and looks for
// the address on which Ollama listens. Its methods may be called concurrently.
type output struct {
	listening chan string // receives the address, once

	mu    sync.Mutex
	kept  []byte
	found bool
}

func newOutput() *output { return &output{listening: make(chan string, 1)} }

// Write never fails.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, b...)
	if !o.found {
		if m := listeningLine.FindSubmatch(o.kept); m != nil {
			o.found = true
			o.listening <- string(m[1])
		}
	}
	if extra := len(o.kept) - outputKept; extra > 0 {
		o.kept = append(o.kept[:0], o.kept[extra:]...)
	}
	return len(b), nil
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}
