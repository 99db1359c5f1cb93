package exchange

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// once is a connection that tells its failure one time and has ended after that,
// as a socket does whose peer has reset it.
type once struct {
	io.Reader
	failure error
}

func (c *once) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF && c.failure != nil {
		err, c.failure = c.failure, nil
	}
	return n, err
}

func TestAwaitKeepsWhatItWasTold(t *testing.T) {
	reset := errors.New("reset by peer")
	b := newBody(bufio.NewReader(&once{iotest.DataErrReader(strings.NewReader("half")), reset}), &head{length: unknownLength})
	b.await()
	p := make([]byte, 10)
	if n, err := b.Read(p); string(p[:n]) != "half" || err != nil {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	for range 2 {
		b.await()
		if n, err := b.Read(p); n != 0 || !errors.Is(err, reset) {
			t.Errorf("read %q, %v; want what the connection had told the wait", p[:n], err)
		}
	}
}

func TestAwaitReturnsForAPieceAndForTheEnd(t *testing.T) {
	next := make(chan string)
	c, _ := clientTo(t, listen(t, serveFrom(next)))
	end := sync.OnceFunc(func() { close(next) })
	defer end() // or a failure would leave the handler waiting
	go func() { next <- "first" }()
	res, err := c.Do(t.Context(), &Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p := make([]byte, 100)
	read := func(want string, last error) {
		t.Helper()
		n, err := res.Body.Read(p)
		if string(p[:n]) != want || !errors.Is(err, last) {
			t.Fatalf("read %q, %v; want %q, %v", p[:n], err, want, last)
		}
	}
	res.Await()
	read("first", nil)

	returned := make(chan struct{})
	go func() { defer close(returned); res.Await() }()
	select {
	case <-returned:
		t.Fatal("there was nothing to wait for")
	case <-time.After(20 * time.Millisecond): // however long, it must not return
	}
	next <- "second"
	<-returned
	read("second", nil)
	end()
	res.Await()
	read("", io.EOF)
	res.Await() // after the end there is nothing to wait for
}
