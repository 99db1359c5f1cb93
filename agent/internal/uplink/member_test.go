package uplink

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// nobody is an address at which nobody listens.
func nobody(t *testing.T) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

func TestJoiningAlone(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	o := options(t, nobody(t), cp.url)
	joinedAt := make(chan *url.URL, 1)
	go func() {
		at, err := New(o).Join(t.Context())
		if err != nil {
			t.Error(err)
		}
		joinedAt <- at
	}()
	p := cp.session()
	await[*wire.Goodbye](p) // so that the host is stopped, and not away
	p.mux.Close()
	if at := <-joinedAt; at == nil || at.String() != cp.url.String() {
		t.Errorf("joined at %v", at)
	}
	got := o.Identity.Membership()
	if diff := cmp.Diff([]string{o.Servers[0].String(), cp.url.String()}, got.Servers); got.HostID != "h1" || diff != "" {
		t.Errorf("it keeps %+v\n%s", got, diff)
	}
}

func TestJoiningWithoutAnyControlPlane(t *testing.T) {
	o := options(t, nobody(t), nobody(t))
	_, err := New(o).Join(t.Context())
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), o.Servers[0].Host) || !strings.Contains(err.Error(), o.Servers[1].Host) {
		t.Errorf("Join = %v (%v)", err, fault.KindOf(err))
	}
}

func TestApprovalIsWaitedFor(t *testing.T) {
	cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		return &wire.Reject{Code: wire.RejectPending, Message: "Wait.", RetryAfterMillis: 1500}
	})
	_, err := New(options(t, cp.url)).Join(t.Context())
	if wait, pending := ApprovalIn(err); !pending || wait != 1500*time.Millisecond {
		t.Errorf("%v, %v after %v", wait, pending, err)
	}
	if _, pending := ApprovalIn(&refusal{wire.Reject{Code: wire.RejectToken}}); pending {
		t.Error("a bad token counts as one that waits")
	}
}

func TestAnAgentThatWaitsForApprovalGoesOnAsking(t *testing.T) {
	asked := make(chan struct{}, 1)
	cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		select {
		case asked <- struct{}{}:
			return &wire.Reject{Code: wire.RejectPending, Message: "Wait.", RetryAfterMillis: 1}
		default:
			return &wire.Welcome{HostID: "h1", Name: "rack-1"}
		}
	})
	run(t, options(t, cp.url))
	cp.session()
}

func TestLeaving(t *testing.T) {
	for code, want := range map[string]fault.Kind{
		wire.RejectRemoved:           fault.None,
		wire.RejectNotJoined:         fault.None, // it was forgotten already
		wire.RejectDuplicateIdentity: fault.Unauthenticated,
	} {
		asked := make(chan *wire.Hello, 1)
		cp := newControlPlane(t, nil, func(h *wire.Hello) wire.Frame {
			asked <- h
			return &wire.Reject{Code: code, Message: "So be it."}
		})
		o := joined(t, options(t, cp.url))
		o.Token = "crt_something"
		err := New(o).Leave(t.Context())
		if kind := fault.KindOf(err); kind != want {
			t.Errorf("%s: %v", code, err)
		}
		if h := <-asked; !h.Leave || h.Token != "" {
			t.Errorf("%s: the hello is %+v", code, h)
		}
	}
	// A welcome is no answer to who leaves.
	cp := newControlPlane(t, nil, nil)
	if err := New(joined(t, options(t, cp.url))).Leave(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Leave = %v", err)
	}
}

func TestTheAddressThatAnsweredLastIsTriedFirst(t *testing.T) {
	a, b, c := &url.URL{Host: "a"}, &url.URL{Host: "b"}, &url.URL{Host: "c"}
	r := newRota([]*url.URL{a, b, c})
	var order []string
	for _, answers := range []bool{false, true, false, false, false, false, true, false} {
		order = append(order, r.next().Host)
		if answers {
			r.answered()
		}
	}
	if diff := cmp.Diff(strings.Fields("a b b a c b a a"), order); diff != "" {
		t.Error(diff)
	}
}

func TestAFileOfAuthorities(t *testing.T) {
	ours, proxys := newAuthority(t), newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cp := newControlPlane(t, proxys, nil) // what the proxy shows is not ours
	dial := func(host, caFile string) error {
		o := options(t)
		token := wire.NewJoinToken(ours.root)
		o.Token, o.ServerCAFile = token.Reveal(), caFile
		at := *cp.url
		at.Host = net.JoinHostPort(host, cp.url.Port())
		ws, err := New(o).dial(t.Context(), &at)
		if err == nil {
			ws.Close()
		}
		return err
	}
	write(string(proxys.pem))
	if err := dial("127.0.0.1", ""); err == nil {
		t.Error("a stranger's certificate was taken")
	}
	if err := dial("localhost", file); err != nil {
		t.Errorf("the file's authority was refused: %v", err)
	}
	if err := dial("127.0.0.1", file); err == nil {
		t.Error("a certificate for another name was taken")
	}
	cp.shows.Store(ours)
	if err := dial("127.0.0.1", file); err != nil {
		t.Errorf("beside a file, our own authority was refused: %v", err)
	}
	cp.shows.Store(newAuthority(t))
	if err := dial("localhost", file); err == nil {
		t.Error("beside a file, a stranger's certificate was taken")
	}
	for what, text := range map[string]string{"empty": "", "no certificate": "hello"} {
		write(text)
		if err := dial("localhost", file); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := dial("localhost", file+".missing"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("missing: %v", err)
	}
}

func TestLookingSaysNothing(t *testing.T) {
	ours := newAuthority(t)
	cp := newControlPlane(t, ours, nil)
	cp.skew = -time.Hour
	o := options(t, cp.url)
	token := wire.NewJoinToken(ours.root)
	o.Token = token.Reveal()
	seen, err := New(o).Look(t.Context(), cp.url)
	if err != nil {
		t.Fatal(err)
	}
	if off := seen.ClockOffset - time.Hour; off.Abs() > patience || seen.MinVersion != wire.MinVersion || seen.MaxVersion != wire.Version || seen.Took <= 0 {
		t.Errorf("it sees %+v", seen)
	}
	if seen.Certificate == nil || seen.Certificate.Issuer.CommonName != "test authority" {
		t.Errorf("the certificate is %+v", seen.Certificate)
	}
	cp.shows.Store(newAuthority(t))
	if _, err := New(o).Look(t.Context(), cp.url); err == nil {
		t.Error("a stranger was taken for the control plane")
	}
	if len(cp.sessions) != 0 || o.Identity.Joined() {
		t.Error("it said something")
	}
}
