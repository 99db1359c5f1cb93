package tunnel

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// attended is a session whose first stream is attended, and its peer.
type attended struct {
	client *Session
	stream net.Conn // the client's end of the first stream
	server *Session
	theirs net.Conn // the server's, which is not read

	mu    sync.Mutex
	taken bytes.Buffer
	came  chan struct{}
	ended chan error // what Attend returned
}

// attend has a server attend to the first stream of a client; take may be nil.
func attend(t *testing.T, take func(p []byte) error) *attended {
	t.Helper()
	dialled, accepted := sockets(t)
	a := &attended{client: Client(dialled), server: Listen(accepted), came: make(chan struct{}, 1000), ended: make(chan error, 1)}
	began := make(chan net.Conn, 1)
	go func() {
		a.ended <- a.server.Attend(func(stream net.Conn) (func([]byte) error, error) {
			began <- stream
			return func(p []byte) error {
				a.mu.Lock()
				a.taken.Write(p)
				a.mu.Unlock()
				a.came <- struct{}{}
				if take != nil {
					return take(p)
				}
				return nil
			}, nil
		})
	}()
	t.Cleanup(func() { a.client.Close(); a.server.Close() })
	stream, err := a.client.Open()
	if err != nil {
		t.Fatal(err)
	}
	a.stream, a.theirs = stream, <-began
	return a
}

func (a *attended) await(t *testing.T, bytes int) string {
	t.Helper()
	for {
		a.mu.Lock()
		got := a.taken.String()
		a.mu.Unlock()
		if len(got) >= bytes {
			return got
		}
		<-a.came
	}
}

func TestAnAttendedStreamIsTakenAsItComes(t *testing.T) {
	a := attend(t, nil)
	if _, err := a.stream.Write([]byte("to the server")); err != nil {
		t.Fatal(err)
	}
	if got := a.await(t, 13); got != "to the server" {
		t.Errorf("%q came", got)
	}
	if _, err := a.theirs.Write([]byte("to the client")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 13)
	if _, err := io.ReadFull(a.stream, got); err != nil || string(got) != "to the client" {
		t.Errorf("%q came, %v", got, err)
	}
	opened, err := a.server.Open() // others are as they were
	if err != nil {
		t.Fatal(err)
	}
	other, err := a.client.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go other.Write([]byte("beside it"))
	if _, err := io.ReadFull(opened, got[:9]); err != nil || string(got[:9]) != "beside it" {
		t.Errorf("%q came, %v", got[:9], err)
	}
	a.stream.Close()
	if err := <-a.ended; err != io.EOF {
		t.Errorf("after the peer closed the stream Attend = %v", err)
	}
	<-a.client.Done()
}

// More than a window comes through, so that the peer is granted more.
func TestAnAttendedStreamHasAWindow(t *testing.T) {
	a := attend(t, nil)
	go func() {
		for range a.came { // whoever waits for it
		}
	}()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 5*windowSize/16)
	if _, err := a.stream.Write(sent); err != nil {
		t.Fatal(err)
	}
	a.stream.Close()
	if err := <-a.ended; err != io.EOF {
		t.Errorf("Attend = %v", err)
	}
	if a.taken.Len() != len(sent) || !bytes.Equal(a.taken.Bytes(), sent) {
		t.Errorf("%d bytes came, want %d", a.taken.Len(), len(sent))
	}
}

func TestAnAttendantEndsTheSession(t *testing.T) {
	enough := errors.New("enough")
	a := attend(t, func([]byte) error { return enough })
	if _, err := a.stream.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-a.ended; !errors.Is(err, enough) {
		t.Errorf("Attend = %v", err)
	}
	if _, err := a.stream.Read(make([]byte, 1)); err == nil {
		t.Error("the peer's stream goes on")
	}

	dialled, accepted := sockets(t)
	client, server := Client(dialled), Listen(accepted)
	t.Cleanup(func() { client.Close(); server.Close() })
	ended := make(chan error, 1)
	go func() { ended <- server.Attend(func(net.Conn) (func([]byte) error, error) { return nil, enough }) }()
	if _, err := client.Open(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("Attend = %v", err)
	}
}

func TestASessionThatIsClosedIsAttendedNoMore(t *testing.T) {
	a := attend(t, nil)
	if err := a.server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-a.ended; err == nil || err == io.EOF {
		t.Errorf("Attend = %v", err)
	}
}
