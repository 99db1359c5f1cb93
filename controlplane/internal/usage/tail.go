package usage

// tailBytes is how much of an answer's end is kept: enough for all that Ollama
// says there in any dialect, and little enough for ten thousand streams.
const tailBytes = 1024

// tail keeps the last bytes of what passes by.
type tail struct {
	ring [tailBytes]byte
	next int  // where the next byte goes
	full bool // the ring has been filled once
}

// add notes what passes by.
func (t *tail) add(p []byte) {
	if len(p) >= tailBytes {
		copy(t.ring[:], p[len(p)-tailBytes:])
		t.next, t.full = 0, true
		return
	}
	n := copy(t.ring[t.next:], p)
	t.next += n
	if t.next == tailBytes {
		t.next, t.full = copy(t.ring[:], p[n:]), true
	}
}

// bytes returns what is kept, in the order in which it came.
func (t *tail) bytes() []byte {
	if !t.full {
		return t.ring[:t.next]
	}
	return append(append(make([]byte, 0, tailBytes), t.ring[t.next:]...), t.ring[:t.next]...)
}
