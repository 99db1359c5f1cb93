package agentlink

import (
	"context"
	"crypto/ed25519"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/go-hclog"
	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// lab is a link behind a real WebSocket server, with a real store of hosts.
type lab struct {
	*Link
	t        *testing.T
	db       *sqlite.State
	tokens   *auth.JoinTokens
	registry *fleet.Registry
	history  *shelf
	peers    *peerTickets
	cpuOnly  atomic.Bool  // whether models are meant to be in main memory
	skew     atomic.Int64 // how far the control plane's clock was set, in nanoseconds
	address  string
	served   chan error // what Serve returned, one for each connection
	stop     func()     // ends everything, and waits for it
}

// newLab starts a lab. hurry shortens the link's pace, before anything uses it.
func newLab(t *testing.T, hurry ...func(*pace)) *lab {
	t.Helper()
	log := hclog.NewNullLogger()
	dir := t.TempDir()
	db, err := sqlite.OpenState(t.Context(), dir, log)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, db: db, registry: fleet.NewRegistry(nil), history: newShelf(), peers: &peerTickets{}, served: make(chan error, 100)}
	authority, err := pki.Load(filepath.Join(dir, "pki"), l.now, log)
	if err != nil {
		t.Fatal(err)
	}
	l.tokens = auth.NewJoinTokens(db, authority.Certificate(), l.now)
	l.Link = New(Options{
		Hosts: db, Registry: l.registry, History: l.history,
		CACertificates: []byte("the authority"), PeerTickets: l.peers, DeadAfter: func() time.Duration { return time.Hour }, CPUOnly: l.cpuOnly.Load, Log: log, Now: l.now,
	})
	for _, h := range hurry {
		h(&l.pace)
	}
	l.serve()
	t.Cleanup(func() {
		l.stop()
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func (l *lab) now() time.Time { return time.Now().Add(time.Duration(l.skew.Load())) }

func (l *lab) serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	upgrader := websocket.FastHTTPUpgrader{}
	server := &fasthttp.Server{KeepHijackedConns: true, Handler: func(rc *fasthttp.RequestCtx) {
		working.Add(1)
		err := upgrader.Upgrade(rc, func(ws *websocket.Conn) {
			defer working.Done()
			defer ws.Close()
			defer context.AfterFunc(ctx, func() { ws.Close() })() // as the edge does
			l.served <- l.Serve(ctx, ws)
		})
		if err != nil {
			l.t.Error(err)
			working.Done()
		}
	}}
	working.Go(func() { server.Serve(listener) })
	working.Go(func() { l.beat(ctx) })
	l.stop = sync.OnceFunc(func() {
		cancel()
		listener.Close()
		working.Wait()
	})
}

// token makes a token for one agent.
func (l *lab) token() string {
	l.t.Helper()
	return l.tokenOf(auth.TokenSpec{TTL: time.Hour, Uses: 1, Labels: map[string]string{"rack": "7"}})
}

func (l *lab) tokenOf(spec auth.TokenSpec) string {
	l.t.Helper()
	token, _, err := l.tokens.CreateToken(l.t.Context(), spec)
	if err != nil {
		l.t.Fatal(err)
	}
	return token.Reveal()
}

// ended waits for a connection's end and returns what Serve returned.
func (l *lab) ended() error {
	l.t.Helper()
	return receive(l.t, l.served, "the end of a connection")
}

// await waits until a host is as it should be.
func (l *lab) await(id, what string, is func(fleet.HostView) bool) fleet.HostView {
	l.t.Helper()
	timeout := time.After(patience)
	for {
		changed := l.registry.Changed()
		view, err := l.registry.Find(id)
		if err == nil && is(view) {
			return view
		}
		select {
		case <-changed:
		case <-timeout:
			l.t.Fatalf("waited in vain for %s; the host is %+v, %v", what, view, err)
		}
	}
}

func (l *lab) awaitState(id string, want fleet.HostState) fleet.HostView {
	l.t.Helper()
	return l.await(id, "state "+string(want), func(v fleet.HostView) bool { return v.State == want })
}

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// shelf is a history that stores when the test says so.
type shelf struct {
	appended chan fleet.SampleRow
	full     atomic.Bool // takes nothing
	room     atomic.Bool
	last     atomic.Uint64

	mu     sync.Mutex
	stored []func()
}

func newShelf() *shelf { return &shelf{appended: make(chan fleet.SampleRow, 100)} }

func (s *shelf) Append(row fleet.SampleRow, stored func()) bool {
	if s.full.Load() {
		return false
	}
	s.mu.Lock()
	s.stored = append(s.stored, stored)
	s.mu.Unlock()
	s.appended <- row
	return true
}

func (s *shelf) HasRoom() bool { return s.room.Load() }

func (s *shelf) LastSeq(context.Context, string, string) (uint64, error) { return s.last.Load(), nil }

// store stores what was appended, the latest first: that must not matter.
func (s *shelf) store() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stored := range slices.Backward(s.stored) {
		stored()
	}
	s.stored = nil
}

// peerTickets are good by keys that are counted.
type peerTickets struct{ renewed atomic.Int32 }

func (p *peerTickets) Key() ed25519.PublicKey { return ed25519.PublicKey{byte(p.renewed.Load())} }

func (p *peerTickets) Renew() { p.renewed.Add(1) }
