package nowait

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// pair returns two wrapped ends of one connection.
func pair(tb testing.TB, network string) (a, b net.Conn) {
	tb.Helper()
	l, err := nettest.NewLocalListener(network)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	dialled := make(chan net.Conn, 1)
	go func() {
		c, err := net.Dial(network, l.Addr().String())
		if err != nil {
			c = nil
		}
		dialled <- c
	}()
	accepted, err := Listener(l).Accept()
	if err != nil {
		tb.Fatal(err)
	}
	other := <-dialled
	if other == nil {
		tb.Fatal("nobody answered")
	}
	a, b = accepted, Wrap(other)
	tb.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// A wrapped connection does all that a connection has to, deadlines and closing
// in the midst of a call among it.
func TestItIsAConnection(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				a, b = pair(t, network)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

func TestALargeWriteArrivesWhole(t *testing.T) {
	a, b := pair(t, "tcp")
	sent := strings.Repeat("0123456789abcdef", 1<<20)
	written := make(chan error, 1)
	go func() {
		n, err := io.WriteString(a, sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		written <- errors.Join(err, a.(interface{ CloseWrite() error }).CloseWrite())
	}()
	got, err := io.ReadAll(b)
	if string(got) != sent || err != nil {
		t.Errorf("%d of %d bytes came, %v", len(got), len(sent), err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// A write that its deadline cuts off says how much of it went out.
func TestAWriteThatNobodyTakesEndsAtItsDeadline(t *testing.T) {
	a, b := pair(t, "tcp")
	tooMuch := make([]byte, 64<<20)
	if err := a.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := a.Write(tooMuch)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || n == 0 {
		t.Errorf("%d bytes went out, %v", n, err)
	}
	a.Close()
	if came, err := io.Copy(io.Discard, b); came != int64(n) {
		t.Errorf("%d bytes came of the %d that were told, %v", came, n, err)
	}
}

func TestWhatThePeerDoesIsTold(t *testing.T) {
	a, b := pair(t, "tcp")
	if err := b.(*conn).Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	b.Close()
	var failed *net.OpError
	if _, err := a.Read(make([]byte, 1)); !errors.As(err, &failed) || failed.Op != "read" || failed.Net != "tcp" || failed.Addr == nil {
		t.Errorf("after a reset: %v", err)
	}
	if _, err := a.Write([]byte("x")); !errors.As(err, &failed) || failed.Op != "write" {
		t.Errorf("after a reset: %v", err)
	}
}

func TestPiecesCostNoMemory(t *testing.T) {
	a, b := pair(t, "tcp")
	piece := make([]byte, 128)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.Write(piece); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, piece); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a piece costs %v allocations", n)
	}
}

func TestOtherConnectionsStayAsTheyAre(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Wrap(a) != a {
		t.Error("a pipe was wrapped")
	}
}

// BenchmarkPiece passes a piece to the other end, as it is and wrapped.
func BenchmarkPiece(b *testing.B) {
	for name, unwrap := range map[string]func(net.Conn) net.Conn{
		"wrapped": func(c net.Conn) net.Conn { return c },
		"plain":   func(c net.Conn) net.Conn { return c.(*conn).Conn },
	} {
		b.Run(name, func(b *testing.B) {
			from, to := pair(b, "tcp")
			from, to = unwrap(from), unwrap(to)
			piece := make([]byte, 128)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := from.Write(piece); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(to, piece); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
