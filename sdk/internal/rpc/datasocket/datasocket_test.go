package datasocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// served is a listener that serves, and the directory that its socket is in.
func served(t *testing.T) (*Listener, string) {
	t.Helper()
	l, dir, _ := closable(t)
	return l, dir
}

// closable is a listener that serves, and what ends it before the test does.
func closable(t *testing.T) (*Listener, string, func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "data") //nolint:usetesting // a test's name makes it too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Serve() }()
	end := sync.OnceFunc(func() {
		if err := errors.Join(l.Close(), <-ended, os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return l, dir, end
}

func TestWhoHasATokenIsLetIn(t *testing.T) {
	l, dir := served(t)
	first, second := l.Offer(), l.Offer()
	defer first.Withdraw()
	defer second.Withdraw()
	for i, o := range []*Offer{second, first} { // in another order than they were offered
		ours, err := Dial(t.Context(), dir, l.Name(), o.Token(), nil)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := o.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		if _, err := ours.Write([]byte{byte(i)}); err != nil {
			t.Error(err)
		}
		ours.Close()
		if got, err := io.ReadAll(theirs); err != nil || len(got) != 1 || got[0] != byte(i) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// isClosed fails unless the other end closes a connection.
func isClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it is not closed: %v", err)
	}
}

func TestNobodyElseIsLetIn(t *testing.T) {
	l, dir := served(t)
	o := l.Offer()
	defer o.Withdraw()
	guess := make([]byte, TokenBytes)
	for name, token := range map[string]func() []byte{
		"a guess": func() []byte { return guess },
		"a token that was used": func() []byte {
			used := l.Offer()
			defer used.Withdraw()
			conn, err := Dial(t.Context(), dir, l.Name(), used.Token(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			accepted, err := used.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { accepted.Close() })
			return used.Token()
		},
		"a token that was withdrawn": func() []byte {
			withdrawn := l.Offer()
			withdrawn.Withdraw()
			return withdrawn.Token()
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := Dial(t.Context(), dir, l.Name(), token(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			isClosed(t, conn)
		})
	}
	t.Run("half a token", func(t *testing.T) {
		conn, err := net.Dial("unix", filepath.Join(dir, l.Name()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(o.Token()[:TokenBytes-1]); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		isClosed(t, conn)
	})
}

// Somebody who connects and says nothing holds up neither others nor the end.
func TestAStrangerWhoIsSilentIsInNobodysWay(t *testing.T) {
	l, dir, closeNow := closable(t)
	stranger, err := net.Dial("unix", filepath.Join(dir, l.Name()))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	o := l.Offer()
	defer o.Withdraw()
	conn, err := Dial(t.Context(), dir, l.Name(), o.Token(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := o.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	isClosed(t, conn)
	closeNow()
	isClosed(t, stranger)
}

func TestAnOfferThatNobodyTakesEndsWithItsContext(t *testing.T) {
	l, _ := served(t)
	o := l.Offer()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	o.Withdraw()
	if len(l.waiting) != 0 {
		t.Error("it is waited for still")
	}
}

func TestOnlyTheDirectoryOfThePluginIsReached(t *testing.T) {
	l, dir := served(t)
	token := make([]byte, TokenBytes)
	for _, name := range []string{"", ".", "..", "/", "../" + filepath.Base(dir) + "/data", filepath.Join(dir, "data"), "a/data"} {
		if _, err := Dial(t.Context(), dir, name, token, nil); fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Plugin {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Dial(t.Context(), dir, l.Name(), token[1:], nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a short token: %v", err)
	}
	if _, err := Dial(t.Context(), dir, "absent", token, nil); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("no socket: %v", err)
	}
}

func TestASocketThatCannotBeIsRefused(t *testing.T) {
	if _, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", MaxPathBytes))); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a long path: %v", err)
	}
	if _, err := Listen("/nowhere/at/all"); err == nil {
		t.Error("no directory")
	}
}
