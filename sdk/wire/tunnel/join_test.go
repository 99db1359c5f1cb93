package tunnel

import (
	"bytes"
	"testing"
)

// TestFramesThatWaitGoOutTogether looks at frames that are written while somebody
// sends: they are one message, and nobody has waited for it.
func TestFramesThatWaitGoOutTogether(t *testing.T) {
	dialled, accepted := sockets(t)
	s := Client(dialled)
	defer s.Close()
	s.writing.Lock()
	s.sending = true
	s.writing.Unlock()
	var want []byte
	for i, body := range []string{"one", "", "three"} {
		h := header{dataFrame, 0, uint32(i), uint32(len(body))}
		if err := s.write(h, []byte(body)); err != nil {
			t.Fatal(err)
		}
		want = append(h.append(want), body...)
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if _, got, err := accepted.ReadMessage(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v\nwant %q", got, err, want)
	}
}

// TestWhoWritesWaitsForRoom has as much wait as may, and one frame more.
func TestWhoWritesWaitsForRoom(t *testing.T) {
	dialled, accepted := sockets(t)
	s := Client(dialled)
	defer s.Close()
	s.writing.Lock()
	s.sending = true
	s.writing.Unlock()
	full := make([]byte, maxWaiting)
	if err := s.write(header{dataFrame, 0, 1, maxWaiting}, full); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- s.write(header{dataFrame, 0, 1, 1}, []byte("x")) }()
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{headerSize + maxWaiting, headerSize + 1} {
		if _, got, err := accepted.ReadMessage(); err != nil || len(got) != want {
			t.Errorf("a message of %d bytes, %v; want %d", len(got), err, want)
		}
	}
}
