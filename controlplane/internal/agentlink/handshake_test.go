package agentlink

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// wantRefused checks how an agent was refused, and that nobody here takes it for
// an error.
func (a *agent) wantRefused(frame wire.Frame, code string) *wire.Reject {
	a.t.Helper()
	r, ok := frame.(*wire.Reject)
	if !ok || r.Code != code || r.Message == "" {
		a.t.Fatalf("the verdict is %T %+v, want a refusal with %s", frame, frame, code)
	}
	if err := a.lab.ended(); err != nil {
		a.t.Errorf("Serve returns %v", err)
	}
	return r
}

func TestAnAgentJoinsByTokenAndIsKnownByItsKey(t *testing.T) {
	l := newLab(t)
	l.history.last.Store(12)
	a := l.newAgent("alpha")
	a.hello.Host.Labels = []wire.Label{{Name: "zone", Value: "a\x1b[31m"}, {Name: "\n", Value: "none"}}
	got := a.connect()
	want := &wire.Welcome{
		HostID: a.id(), Name: "alpha", Version: wire.Version, SessionEpoch: 1, AckedSeq: 12, CACertificates: []byte("the authority"),
		PeerTicketKey: l.peers.Key(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("welcome (-want +got)\n%s", diff)
	}
	host := l.awaitState(a.id(), fleet.HostOnline)
	if diff := cmp.Diff(map[string]string{"rack": "7", "zone": "a[31m"}, host.Labels); diff != "" {
		t.Errorf("labels (-want +got)\n%s", diff)
	}
	stored, err := l.db.Hosts(t.Context())
	if err != nil || len(stored) != 1 || stored[0].ID != a.id() || string(stored[0].PublicKey) != string(a.key.Public().(ed25519.PublicKey)) {
		t.Errorf("stored: %+v, %v", stored, err)
	}
	a.close()
	l.awaitState(a.id(), fleet.HostDisconnected)
	if err := l.ended(); err != nil {
		t.Errorf("a session's end: %v", err)
	}

	again := a.clone("another run")
	again.hello.Host.CPUCores = 16
	if got := again.connect(); got.HostID != a.id() || got.SessionEpoch != 2 || got.Name != "alpha" {
		t.Errorf("the second welcome: %+v", got)
	}
	if host := l.awaitState(a.id(), fleet.HostOnline); host.Facts.CPUCores != 16 {
		t.Errorf("the host still has %d cores", host.Facts.CPUCores)
	}
	if stored, err := l.db.Hosts(t.Context()); err != nil || stored[0].Facts.CPUCores != 16 {
		t.Errorf("stored: %+v, %v", stored, err)
	}
}

func TestAHostIsCalledAsItsMachineWhereNothingElseIsAsked(t *testing.T) {
	l := newLab(t)
	for name, facts := range map[string]wire.HostFacts{
		"machine":               {Hostname: "machine"},
		"two words":             {Name: "  two \twords\n", Hostname: "machine"},
		strings.Repeat("é", 64): {Name: strings.Repeat("é", 100)},
	} {
		a := l.newAgent("x")
		a.hello.Host = facts
		if got := a.connect().Name; got != name {
			t.Errorf("%+v is called %q, want %q", facts, got, name)
		}
	}
	nameless := l.newAgent("x")
	nameless.hello.Host = wire.HostFacts{Name: "\x00"}
	if got := nameless.connect().Name; got != nameless.id() {
		t.Errorf("without any name it is called %q", got)
	}
}

func TestWhoIsNotLetIn(t *testing.T) {
	l := newLab(t)
	used := l.newAgent("first")
	used.connect()
	l.awaitState(used.id(), fleet.HostOnline)
	used.close()
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*agent)
		code   string
	}{
		"no token":        {func(a *agent) { a.hello.Token = "" }, wire.RejectNotJoined},
		"a mistyped one":  {func(a *agent) { a.hello.Token = "crt_x" }, wire.RejectToken},
		"one used up":     {func(a *agent) { a.hello.Token = used.hello.Token }, wire.RejectToken},
		"an older one":    {func(a *agent) { a.hello.Version = wire.MinVersion - 1 }, wire.RejectVersion},
		"a newer one":     {func(a *agent) { a.hello.Version = wire.Version + 1 }, wire.RejectVersion},
		"no run":          {func(a *agent) { a.hello.RunID = "" }, wire.RejectMalformed},
		"an endless run":  {func(a *agent) { a.hello.RunID = strings.Repeat("r", maxRunID+1) }, wire.RejectMalformed},
		"an expired hour": {func(*agent) { l.skew.Store(int64(2 * time.Hour)) }, wire.RejectToken},
	} {
		t.Run(name, func(t *testing.T) {
			a := l.newAgent("stranger")
			c.change(a)
			defer l.skew.Store(0)
			a.wantRefused(a.greet(), c.code)
			if _, err := l.registry.Find(a.id()); fault.KindOf(err) != fault.NotFound {
				t.Errorf("it became a host: %v", err)
			}
		})
	}
}

func TestAProofIsForOneHandshake(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	recorded := a.signed(a.dial())
	a.close()
	if err := l.ended(); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Host {
		t.Errorf("who leaves without a hello ends with %v", err)
	}
	a.dial()
	a.write(recorded)
	a.wantRefused(a.read(), wire.RejectProof)

	for name, forge := range map[string]func(*wire.Hello){
		"another key":   func(h *wire.Hello) { h.PublicKey = l.newAgent("x").key.Public().(ed25519.PublicKey) },
		"no key":        func(h *wire.Hello) { h.PublicKey = nil },
		"no signature":  func(h *wire.Hello) { h.Signature = nil },
		"another token": func(h *wire.Hello) { h.Token = l.token() },
		"another run":   func(h *wire.Hello) { h.RunID = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			h := a.signed(a.dial())
			forge(h)
			a.write(h)
			a.wantRefused(a.read(), wire.RejectProof)
		})
	}
}

func TestOnlyAHelloIsAnAnswerToTheChallenge(t *testing.T) {
	l := newLab(t)
	for name, c := range map[string]struct {
		kind int
		raw  []byte
	}{
		"text":          {websocket.TextMessage, []byte("hello")},
		"garbage":       {websocket.BinaryMessage, []byte("\xff\xff\xff")},
		"nothing":       {websocket.BinaryMessage, nil},
		"another frame": {websocket.BinaryMessage, wire.AppendFrame(nil, &wire.Ping{ID: 1})},
		"unknown frame": {websocket.BinaryMessage, wire.AppendFrame(nil, &wire.Unknown{Number: 1001})},
	} {
		t.Run(name, func(t *testing.T) {
			a := l.newAgent("x")
			a.dial()
			if err := a.ws.WriteMessage(c.kind, c.raw); err != nil {
				t.Fatal(err)
			}
			a.wantRefused(a.read(), wire.RejectMalformed)
		})
	}
}

func TestAHelloOverTheCapEndsTheConnection(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("x")
	a.hello.Host.Kernel = strings.Repeat("k", wire.MaxHandshakeFrame)
	a.write(a.signed(a.dial()))
	if err := l.ended(); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Host {
		t.Errorf("it ends with %v", err)
	}
}

func TestAStrangerHasToHurry(t *testing.T) {
	l := newLab(t, func(p *pace) { p.handshake = 50 * time.Millisecond })
	silent := l.newAgent("x")
	silent.dial()
	if err := l.ended(); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("who says nothing ends with %v", err)
	}
}

func TestASessionNeedsItsControlStream(t *testing.T) {
	l := newLab(t, func(p *pace) { p.handshake = 500 * time.Millisecond })
	a := l.newAgent("x")
	if _, ok := a.greet().(*wire.Welcome); !ok {
		t.Fatal("not welcome")
	}
	if err := l.ended(); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Host {
		t.Errorf("it ends with %v", err)
	}
	if host := l.awaitState(a.id(), fleet.HostAway); !host.ConnectedAt.IsZero() {
		t.Errorf("it counted as connected at %v", host.ConnectedAt)
	}
}

func TestTooManyAtOnceAreToldToComeBack(t *testing.T) {
	l := newLab(t)
	for range maxHandshakes {
		l.handshakes <- struct{}{}
	}
	a := l.newAgent("x")
	if r := a.wantRefused(a.greet(), wire.RejectBusy); r.RetryAfterMillis != 1000 {
		t.Errorf("it is to stay away for %d ms", r.RetryAfterMillis)
	}
	<-l.handshakes
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	if len(l.handshakes) != maxHandshakes-1 {
		t.Errorf("%d handshakes count as under way", len(l.handshakes))
	}
}

// Strangers that connect and say nothing must not keep agents out.
func TestWhoSaysNothingIsNotCounted(t *testing.T) {
	l := newLab(t)
	for range 3 {
		l.newAgent("silent").dial()
	}
	if len(l.handshakes) != 0 {
		t.Errorf("%d handshakes count as under way", len(l.handshakes))
	}
}

func TestAHostThatWasRemovedIsRefused(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	if err := l.db.RemoveHost(t.Context(), a.id()); err != nil {
		t.Fatal(err)
	}
	l.registry.Remove(a.id())
	l.Disconnect(a.id())
	a.wantCut()
	if err := l.ended(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
	again := a.clone(a.hello.RunID)
	again.wantRefused(again.greet(), wire.RejectNotJoined)
}

// A host may be removed while its agent is in the middle of the handshake.
func TestAHostThatIsRemovedInTheHandshakeIsRefused(t *testing.T) {
	l := newLab(t)
	a := l.newAgent("alpha")
	a.connect()
	l.awaitState(a.id(), fleet.HostOnline)
	a.close()
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
	if err := l.db.RemoveHost(t.Context(), a.id()); err != nil { // and the registry still has it
		t.Fatal(err)
	}
	again := a.clone("later")
	again.wantRefused(again.greet(), wire.RejectNotJoined)

	b := l.newAgent("beta")
	if _, ok := b.greet().(*wire.Welcome); !ok {
		t.Fatal("not welcome")
	}
	l.registry.Remove(b.id()) // after the welcome
	_ = b.tryOpen()
	b.wantCut()
	if err := l.ended(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
	if _, err := l.session(b.id()); err == nil {
		t.Error("a session is left of it")
	}
}
