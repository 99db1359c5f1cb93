package tunnel

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

func TestBothSidesOpenStreams(t *testing.T) {
	client, server := sessions(t)
	for _, pair := range [][2]*Session{{client, server}, {server, client}} {
		out, err := pair[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		in, err := pair[1].Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(in, got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		out.Close()
		if _, err := in.Read(got); err != io.EOF {
			t.Fatalf("after the other side closed: %v", err)
		}
		in.Close()
	}
}

func TestBulkInBothDirectionsOnManyStreams(t *testing.T) {
	client, server := sessions(t)
	const size = 5 << 20
	var work sync.WaitGroup
	move := func(conn net.Conn, seed uint64) {
		sent := make([]byte, size)
		random := rand.NewChaCha8([32]byte{byte(seed)})
		random.Read(sent)
		work.Go(func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 70_001)
				if _, err := conn.Write(rest[:n]); err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
			}
		})
		work.Go(func() {
			got := sha256.New()
			if _, err := io.CopyN(got, conn, size); err != nil {
				t.Error(err)
			}
			if want := sha256.Sum256(sent); !bytes.Equal(got.Sum(nil), want[:]) {
				t.Error("what was read differs from what was written")
			}
		})
	}
	for i := range uint64(8) {
		out, err := server.Open()
		if err != nil {
			t.Fatal(err)
		}
		in, err := client.Accept()
		if err != nil {
			t.Fatal(err)
		}
		move(out, i) // both ends send the same bytes, so that each knows what to expect
		move(in, i)
	}
	work.Wait()
}

func TestAWriterWaitsForItsReader(t *testing.T) {
	out, in := streams(t)
	if err := out.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := out.Write(make([]byte, 3*windowSize))
	if n != windowSize || !isTimeout(err) {
		t.Fatalf("wrote %d, %v; want one window and a timeout", n, err)
	}
	out.SetWriteDeadline(time.Time{})
	written := make(chan error, 1)
	go func() {
		_, err := out.Write([]byte("x"))
		written <- err
	}()
	if _, err := io.CopyN(io.Discard, in, windowSize+1); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

func TestOneStreamThatNobodyReadsHoldsUpNoOther(t *testing.T) {
	client, server := sessions(t)
	stuck, err := server.Open()
	if err != nil {
		t.Fatal(err)
	}
	stuck.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := stuck.Write(make([]byte, 2*windowSize)); !isTimeout(err) {
		t.Fatalf("%v, want a timeout", err)
	}
	if _, err := client.Accept(); err != nil {
		t.Fatal(err)
	}
	free, err := server.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := free.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	in, err := client.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(in, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}

func TestReadDeadline(t *testing.T) {
	out, in := streams(t)
	in.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := in.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("past deadline: %v", err)
	}
	in.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := in.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("deadline: %v", err)
	}
	in.SetReadDeadline(time.Time{})
	if _, err := out.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := in.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("without a deadline: %d, %v", n, err)
	}
}

func TestCloseFreesBothSides(t *testing.T) {
	out, in := streams(t)
	reading, writing := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := out.Read(make([]byte, 1))
		reading <- err
	}()
	go func() {
		_, err := out.Write(make([]byte, 2*windowSize))
		writing <- err
	}()
	if _, err := io.ReadFull(in, make([]byte, initialWindow)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if err := <-reading; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read = %v", err)
	}
	if err := <-writing; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write = %v", err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("the other side read to the end: %v", err)
	}
	if err := out.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestClosedStreamsAreForgotten(t *testing.T) {
	client, server := sessions(t)
	for i := range 50 {
		out, err := server.Open()
		if err != nil {
			t.Fatal(err)
		}
		in, err := client.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(in, i); err != nil {
			t.Fatal(err)
		}
		out.Close()
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Fatal(err)
		}
		in.Close()
	}
	for _, s := range []*Session{client, server} {
		s.mu.Lock()
		if len(s.streams) != 0 {
			t.Errorf("%d streams are kept", len(s.streams))
		}
		s.mu.Unlock()
	}
}

func TestTheEndOfASessionIsSeenByBoth(t *testing.T) {
	client, server := sessions(t)
	out, err := server.Open()
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	<-server.Done()
	if _, err := server.Open(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a stream was opened in a session that has ended: %v", err)
	}
	if _, err := server.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a stream was accepted in a session that has ended: %v", err)
	}
	if _, err := out.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || err == io.EOF {
		t.Errorf("a stream that broke with its session reads as %v", err)
	}
	if _, err := out.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a stream that broke with its session was written to: %v", err)
	}
}

func TestAPeerThatClosesProperlyEndsTheSession(t *testing.T) {
	dialled, accepted := sockets(t)
	server := Server(accepted)
	defer server.Close()
	message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := dialled.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
