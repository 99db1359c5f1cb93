package uplink

import (
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestJoiningVerifiesByTheTokenAndThenByWhatWasPinned(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	cp := newControlPlane(t, ours, nil)
	o := options(t, cp.url)
	token := wire.NewJoinToken(ours.root)
	o.Token = token.Reveal()
	r := run(t, o)
	first := cp.session()
	if first.hello.Token != o.Token || first.hello.Host.Hostname != "here" || first.hello.Version != wire.Version {
		t.Errorf("the first hello is %+v", first.hello)
	}
	want := identity.Membership{HostID: "h1", Name: "rack-1", CACertificates: ours.pem}
	if got := o.Identity.Membership(); got.HostID != want.HostID || got.Name != want.Name || string(got.CACertificates) != string(want.CACertificates) {
		t.Errorf("the agent keeps %+v", got)
	}
	if s := r.Status(); !s.Connected || s.Server != cp.url.String() || s.Err != nil || s.Since.IsZero() {
		t.Errorf("the status is %+v", s)
	}

	cp.shows.Store(theirs) // another control plane has taken the address
	first.cut()
	r.awaitStatus(t, failed)
	s := r.awaitStatus(t, func(s Status) bool { return s.Err != nil && strings.Contains(s.Err.Error(), "certificate") })
	if fault.KindOf(s.Err) != fault.Unavailable {
		t.Errorf("the error is %v of kind %v", s.Err, fault.KindOf(s.Err))
	}
	cp.shows.Store(ours)
	second := cp.session()
	if second.hello.Token != "" {
		t.Error("an agent that has joined sent its token again")
	}
	if second.hello.RunID != first.hello.RunID || string(second.hello.PublicKey) != string(first.hello.PublicKey) {
		t.Error("the agent came back as another one")
	}
}

func TestATokenOfAnotherControlPlaneIsRefused(t *testing.T) {
	cp := newControlPlane(t, newAuthority(t), nil)
	o := options(t, cp.url)
	token := wire.NewJoinToken(newAuthority(t).root)
	o.Token = token.Reveal()
	r := run(t, o)
	s := r.awaitStatus(t, failed)
	if !strings.Contains(s.Err.Error(), "not the control plane that made this token") {
		t.Errorf("the error is %v", s.Err)
	}
	if o.Identity.Joined() || len(cp.sessions) != 0 {
		t.Error("the agent said something to a control plane that it does not know")
	}
}

func TestWithoutTokenAndPinOnlyAPublicCertificateWillDo(t *testing.T) {
	cp := newControlPlane(t, newAuthority(t), nil)
	for _, o := range []Options{options(t, cp.url), joined(t, options(t, cp.url))} {
		o.Token = ""
		if o.Identity.Joined() { // to one without an authority; its token says nothing any more
			token := wire.NewJoinToken(cp.shows.Load().root)
			o.Token = token.Reveal()
		}
		if _, err := New(o).dial(t.Context(), cp.url); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("dial = %v", err)
		}
	}
}

// joined returns the options of an agent that joined a control plane without an
// authority of its own.
func joined(t *testing.T, o Options) Options {
	t.Helper()
	if err := o.Identity.SaveJoined(identity.Membership{HostID: "h1", Name: "rack-1"}); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPlainConnectionsOnlyToThisMachine(t *testing.T) {
	o := options(t)
	// A port at which nobody answers, on an address that is not loopback to us.
	elsewhere := &url.URL{Scheme: "http", Host: "192.0.2.1:9"}
	if _, err := New(o).dial(t.Context(), elsewhere); fault.KindOf(err) != fault.Invalid {
		t.Errorf("dial = %v, want it refused before anything is sent", err)
	}
	for _, scheme := range []string{"ws", "http"} {
		for _, host := range []string{"localhost", "LocalHost", "127.0.0.1", "::1"} {
			here := &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, "1")}
			if _, err := New(o).dial(t.Context(), here); fault.KindOf(err) != fault.Unavailable {
				t.Errorf("dial %s = %v, want a dial that fails", here, err)
			}
		}
	}
}

func TestAServerThatIsNoControlPlane(t *testing.T) {
	cp := newControlPlane(t, nil, nil)
	nested := *cp.url
	nested.Path = "/below/"
	_, err := New(options(t)).dial(t.Context(), &nested)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.MessageOf(err), "404") {
		t.Errorf("dial = %v, want the status that was answered", err)
	}
}

func TestARefusalThatNoRetryCanHelpEndsAnAgentThatNeverJoined(t *testing.T) {
	for _, code := range []string{wire.RejectNotJoined, wire.RejectToken, wire.RejectVersion} {
		cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
			return &wire.Reject{Code: code, Message: "The token is used up.", RetryAfterMillis: 10}
		})
		err := run(t, options(t, cp.url)).end(t)
		if fault.KindOf(err) != fault.Unauthenticated || fault.MessageOf(err) != "The token is used up." {
			t.Errorf("%s: Run = %v", code, err)
		}
	}
}

func TestHowLongARefusedAgentStaysAway(t *testing.T) {
	f := func(r wire.Reject, want time.Duration) {
		t.Helper()
		if got := (&refusal{r}).delay(); got != want {
			t.Errorf("%+v: %v, want %v", r, got, want)
		}
	}
	f(wire.Reject{Code: wire.RejectBusy}, 0)
	f(wire.Reject{Code: wire.RejectBusy, RetryAfterMillis: 2000}, 2*time.Second)
	f(wire.Reject{Code: wire.RejectDuplicateIdentity}, 0)
	f(wire.Reject{Code: wire.RejectToken}, refusedDelay)
	f(wire.Reject{Code: wire.RejectNotJoined, RetryAfterMillis: 1}, time.Millisecond)
}

func TestARefusedAgentComesBackWhenItWasToldTo(t *testing.T) {
	const away = 300 * time.Millisecond
	refused := make(chan time.Time, 1)
	cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		select {
		case refused <- time.Now():
			return &wire.Reject{Code: wire.RejectNotJoined, Message: "Not now.", RetryAfterMillis: uint32(away.Milliseconds())}
		default:
			return &wire.Welcome{HostID: "h1", Name: "rack-1"}
		}
	})
	run(t, joined(t, options(t, cp.url)))
	cp.session()
	if since := time.Since(<-refused); since < away {
		t.Errorf("it came back after %v", since)
	}
}

func TestServersAreTriedInTurn(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	asked := make(chan struct{}, 1)
	refusing := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		asked <- struct{}{}
		return &wire.Reject{Code: wire.RejectBusy, Message: "Too many at once."}
	})
	good := newControlPlane(t, nil, nil)
	o := options(t, &url.URL{Scheme: "http", Host: dead.Addr().String()}, refusing.url, good.url)
	r := run(t, o)
	good.session()
	if s := r.Status(); s.Server != good.url.String() || len(asked) != 1 {
		t.Errorf("the status is %+v, and the second server was asked %d times", s, len(asked))
	}
}

func TestWaitsAreSpreadAndGrow(t *testing.T) {
	var b backoff
	for failures := range 20 {
		bound := longest
		if failures < 10 {
			bound = min(longest, firstDelay<<failures)
		}
		var least, most time.Duration = longest, 0
		for range 200 {
			at := backoff{failures: failures}
			d := at.next()
			least, most = min(least, d), max(most, d)
		}
		if most > bound || most < bound/2 || least > bound/2 {
			t.Errorf("after %d failures: from %v to %v, want all over the %v", failures, least, most, bound)
		}
		b.next()
	}
	if b.failures != 20 {
		t.Errorf("%d failures were counted", b.failures)
	}
	b.reset()
	if d := b.next(); d > firstDelay {
		t.Errorf("after a reset: %v", d)
	}
}
