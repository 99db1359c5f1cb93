package api

import (
	"io"
	"sync"
)

// lent is the body of a request, until it is given back. A transport may go on reading
// when the answer is there, as one that refuses the rest is.
type lent struct {
	mu   sync.Mutex
	from io.Reader // nil when it was given back
}

// Read implements [io.Reader].
func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil {
		return 0, io.ErrClosedPipe
	}
	return l.from.Read(p)
}

// giveBack waits until nobody reads, and has nobody read any more.
func (l *lent) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = nil
}
