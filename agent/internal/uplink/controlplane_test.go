package uplink

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// authority is a control plane's own certificate authority, with one
// certificate by it.
type authority struct {
	root *x509.Certificate
	pem  []byte
	leaf tls.Certificate // with the root in its chain
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	rootKey, leafKey := newKey(t), newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, template, template, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(rootDER)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{wire.ServerName, "localhost"},
		NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, leafKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{
		root: root, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}),
		leaf: tls.Certificate{Certificate: [][]byte{leafDER, rootDER}, PrivateKey: leafKey},
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// controlPlane speaks the agents' protocol on a loopback port.
type controlPlane struct {
	t     *testing.T
	url   *url.URL
	shows atomic.Pointer[authority] // whose certificate it has; nil serves plain HTTP
	// answer decides on a hello; the zero value welcomes.
	answer   func(*wire.Hello) wire.Frame
	skew     time.Duration // of its clock
	sessions chan *peer
	working  sync.WaitGroup
}

// newControlPlane starts a control plane. Its answer is set before anybody dials.
func newControlPlane(t *testing.T, ca *authority, answer func(*wire.Hello) wire.Frame) *controlPlane {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cp := &controlPlane{t: t, answer: answer, sessions: make(chan *peer, 16), url: &url.URL{Scheme: "http", Host: l.Addr().String()}}
	if ca != nil {
		cp.shows.Store(ca)
		cp.url.Scheme = "https"
		l = tls.NewListener(l, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &cp.shows.Load().leaf, nil
		}})
	}
	server := &http.Server{Handler: http.HandlerFunc(cp.serve), ErrorLog: hclog.NewNullLogger().StandardLogger(nil)}
	cp.working.Go(func() { server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		cp.working.Wait()
	})
	return cp
}

func (cp *controlPlane) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != wire.LinkPath {
		http.NotFound(w, r)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	cp.working.Add(1)
	defer cp.working.Done()
	defer ws.Close()
	cp.carry(ws)
}

// carry is the control plane's side of one connection.
func (cp *controlPlane) carry(ws *websocket.Conn) {
	nonce := make([]byte, wire.NonceSize)
	rand.Read(nonce)
	challenge := &wire.Challenge{Nonce: nonce, MinVersion: wire.MinVersion, MaxVersion: wire.Version, UnixMillis: time.Now().Add(cp.skew).UnixMilli()}
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, challenge)); err != nil {
		return
	}
	_, raw, err := ws.ReadMessage()
	if err != nil {
		return
	}
	frame, err := wire.DecodeFrame(raw)
	if err != nil {
		cp.t.Error(err)
		return
	}
	hello, ok := frame.(*wire.Hello)
	if !ok || !hello.Verify(nonce) {
		cp.t.Errorf("%T is no hello that proves its key", frame)
		return
	}
	answer := cp.reply(hello)
	if err := ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, answer)); err != nil {
		return
	}
	if _, ok := answer.(*wire.Welcome); !ok {
		return
	}
	mux := tunnel.Server(ws)
	defer mux.Close()
	control, err := mux.Accept()
	if err != nil {
		return
	}
	p := &peer{t: cp.t, hello: hello, mux: mux, control: control, ws: ws, out: wire.NewWriter(control), in: wire.NewReader(control)}
	cp.sessions <- p
	<-mux.Done()
}

func (cp *controlPlane) reply(hello *wire.Hello) wire.Frame {
	if cp.answer != nil {
		return cp.answer(hello)
	}
	welcome := &wire.Welcome{HostID: "h1", Name: "rack-1", Version: wire.Version}
	if ca := cp.shows.Load(); ca != nil {
		welcome.CACertificates = ca.pem
	}
	return welcome
}

// session waits for an agent.
func (cp *controlPlane) session() *peer {
	cp.t.Helper()
	select {
	case p := <-cp.sessions:
		cp.t.Cleanup(func() { p.mux.Close() })
		return p
	case <-time.After(patience):
		cp.t.Fatal("no agent came")
		return nil
	}
}

// peer is the control plane's side of one session.
type peer struct {
	t       *testing.T
	hello   *wire.Hello
	mux     *tunnel.Session
	control net.Conn
	ws      *websocket.Conn
	out     *wire.Writer
	in      *wire.Reader
}

// frame returns the agent's next frame.
func (p *peer) frame() (wire.Frame, error) {
	p.control.SetReadDeadline(time.Now().Add(patience))
	return p.in.Read()
}

// await returns the agent's next frame of a type.
func await[F wire.Frame](p *peer) F {
	p.t.Helper()
	for {
		frame, err := p.frame()
		if err != nil {
			p.t.Fatalf("waiting for a %T: %v", *new(F), err)
		}
		if f, ok := frame.(F); ok {
			return f
		}
	}
}

// cut ends the connection as a broken network does: no word at any layer.
func (p *peer) cut() { p.ws.NetConn().Close() }

// options are an agent's that has something to say to these control planes.
func options(t *testing.T, servers ...*url.URL) Options {
	t.Helper()
	id, err := identity.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { id.Close() })
	return Options{
		Servers: servers, Identity: id, Samples: NewRing(100, nil), Steady: unset, Log: hclog.NewNullLogger(),
		Facts:     func(context.Context) (wire.HostFacts, error) { return wire.HostFacts{Hostname: "here"}, nil },
		Instances: func() []wire.Instance { return []wire.Instance{{Name: "default", State: wire.InstanceReady}} },
		GPUs:      func() *wire.GPUReport { return &wire.GPUReport{State: wire.GPUsNone} },
		Changed:   make(chan struct{}),
		Act:       func(context.Context, *wire.Action) error { return nil },
		Serve:     func(_ context.Context, stream net.Conn) { stream.Close() },
	}
}

// running is an uplink that runs until the test ends or stop is called.
type running struct {
	*Uplink
	stop   context.CancelFunc
	result chan error // has what Run returned
}

func run(t *testing.T, o Options) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Uplink: New(o), stop: stop, result: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.result <- r.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	return r
}

// end returns what Run returned, once it has.
func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(patience):
		t.Fatal("Run goes on")
		return nil
	}
}

// awaitStatus returns the first status of which ok holds.
func (r *running) awaitStatus(t *testing.T, ok func(Status) bool) Status {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if s := r.Status(); ok(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the status stays %+v", r.Status())
		}
	}
}

func failed(s Status) bool { return !s.Connected && s.Err != nil }

// unset is a clock that was never set, on a machine whose clock was a year behind.
func unset() time.Time { return time.Now().Add(-365 * 24 * time.Hour) }

var errRefused = errors.New("refused by the test")
