package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// keys is an Authenticator of a few keys. Cookies name the same keys.
type keys struct {
	gone      chan struct{} // of every key
	anonymous atomic.Uint32 // a Permission; 0 lets nobody in without a key
}

func (k *keys) Authenticate(_ context.Context, c Credentials) (Caller, error) {
	secrets := []string{c.Bearer, c.URLKey, c.Ticket, c.Cookie}
	for _, token := range c.Subprotocols {
		if key, ok := strings.CutPrefix(token, "bearer."); ok {
			secrets = append(secrets, key)
		}
	}
	for _, s := range secrets {
		switch s {
		case "":
			continue
		case "LEAKMARKER-reader":
			return Caller{ID: "r", Name: "reader", May: Read, Gone: k.gone}, nil
		case "LEAKMARKER-operator":
			return Caller{ID: "o", Name: "operator", May: Operate, Gone: k.gone}, nil
		case "LEAKMARKER-admin":
			return Caller{ID: "a", Name: "admin", May: Administer, Gone: k.gone}, nil
		case "LEAKMARKER-busy":
			return Caller{}, fault.New(fault.RateLimited, "too many requests").After(7 * time.Second)
		}
		return Caller{}, fault.New(fault.Unauthenticated, "nobody has this key")
	}
	if may := Permission(k.anonymous.Load()); may != 0 {
		return Caller{Name: "anonymous", May: may, Anonymous: true}, nil
	}
	return Caller{}, fault.New(fault.Unauthenticated, "a key is needed")
}

// fixture is a running server.
type fixture struct {
	*Server
	t      *testing.T
	addr   string
	keys   *keys
	policy atomic.Pointer[Snapshot]
	log    *lockedBuffer
	roots  *x509.CertPool
	stop   context.CancelFunc
	ended  chan error
}

type lockedBuffer struct {
	mu chan struct{}
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu <- struct{}{}
	defer func() { <-l.mu }()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu <- struct{}{}
	defer func() { <-l.mu }()
	return l.b.String()
}

// start runs a server with these routes until the test ends. Everything must
// have ended in time, and no secret may stand in the log.
func start(t *testing.T, policy Snapshot, routes ...Route) *fixture {
	t.Helper()
	return startTuned(t, policy, func(*Server) {}, routes...)
}

// startTuned is start with a server that is changed before it runs.
func startTuned(t *testing.T, policy Snapshot, tune func(*Server), routes ...Route) *fixture {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, ln, policy, tune, routes...)
}

// startOn is startTuned where a server listens so.
func startOn(t *testing.T, ln net.Listener, policy Snapshot, tune func(*Server), routes ...Route) *fixture {
	t.Helper()
	cert, roots := selfSigned(t)
	f := &fixture{
		t:     t,
		keys:  &keys{gone: make(chan struct{})},
		log:   &lockedBuffer{mu: make(chan struct{}, 1)},
		roots: roots,
		ended: make(chan error, 1),
	}
	f.policy.Store(&policy)
	router := NewRouter()
	for _, r := range routes {
		router.Route(r)
	}
	server, err := New(Config{
		Authenticator: f.keys,
		Policy:        f.policy.Load,
		TLS:           &tls.Config{Certificates: []tls.Certificate{cert}},
		Hostnames:     []string{"corral-host"},
		SessionCookie: "session",
		Grace:         200 * time.Millisecond,
		Log:           hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: f.log}),
	}, router)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = server
	f.pace.closing = 500 * time.Millisecond
	tune(server)
	f.addr = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() {
		defer close(f.ended)
		f.ended <- server.Run(ctx, ln)
	}()
	t.Cleanup(func() {
		f.shutdown()
		if strings.Contains(f.log.String(), "LEAKMARKER") {
			t.Errorf("a key reached the log:\n%s", f.log)
		}
	})
	return f
}

// shutdown stops the server and checks that it ends; again does nothing.
func (f *fixture) shutdown() {
	f.t.Helper()
	f.stop()
	select {
	case err := <-f.ended:
		if err != nil {
			f.t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		f.t.Fatal("the server did not end")
	}
}

func (f *fixture) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func (f *fixture) dialTLS() net.Conn {
	f.t.Helper()
	c := tls.Client(f.dial(), &tls.Config{RootCAs: f.roots, ServerName: "localhost"})
	if err := c.Handshake(); err != nil {
		f.t.Fatal(err)
	}
	return c
}

// raw sends bytes on a new connection and returns the answer's status, header
// and body; the status is 0 when there was none.
func (f *fixture) raw(request string) (int, http.Header, string) {
	f.t.Helper()
	return exchange(f.t, f.dial(), request)
}

func exchange(t *testing.T, c net.Conn, request string) (int, http.Header, string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return answer(t, bufio.NewReader(c), request)
}

func answer(t *testing.T, r *bufio.Reader, request string) (int, http.Header, string) {
	t.Helper()
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, resp.Header, string(body) + "!" + err.Error()
	}
	return resp.StatusCode, resp.Header, string(body)
}

// get sends a GET with an admin's key and these extra header lines.
func (f *fixture) get(path string, lines ...string) (int, http.Header, string) {
	f.t.Helper()
	return f.raw(head("GET", path, f.addr, append(lines, "Authorization: Bearer LEAKMARKER-admin")...))
}

func head(method, path, host string, lines ...string) string {
	h := method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
	for _, l := range lines {
		h += l + "\r\n"
	}
	return h + "\r\n"
}

// websocket opens a WebSocket at a path, over TLS when it starts with "wss://".
func (f *fixture) websocket(path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: header["Subprotocols"], TLSClientConfig: &tls.Config{RootCAs: f.roots, ServerName: "localhost"}}
	header = header.Clone()
	header.Del("Subprotocols")
	scheme, path, absolute := strings.Cut(path, "://")
	if !absolute {
		scheme, path = "ws", scheme
	}
	c, resp, err := d.Dial(scheme+"://"+f.addr+path, header)
	if err == nil {
		f.t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(patience))
	}
	return c, resp, err
}

func (f *fixture) mustWebsocket(path string) *websocket.Conn {
	f.t.Helper()
	c, _, err := f.websocket(path, http.Header{"Authorization": {"Bearer LEAKMARKER-admin"}})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// await waits for an event of a test.
func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// echo answers with what it was asked.
func echo(_ context.Context, r *Request) (*Response, error) {
	return JSON(200, map[string]any{
		"method": r.Method, "path": r.Path, "id": r.Param("id"), "rest": r.Param("rest"),
		"body": string(r.Body), "caller": r.Caller.Name, "tls": r.TLS, "query": r.Query.Encode(),
	})
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("decode %q: %v", body, err)
	}
	return m
}

// trickle is a stream fed by a test.
type trickle struct {
	ctx    context.Context
	pieces chan string
	closed atomic.Int32
	over   chan struct{}
}

func newTrickle(ctx context.Context) *trickle {
	return &trickle{ctx: ctx, pieces: make(chan string), over: make(chan struct{})}
}

func (s *trickle) Read(p []byte) (int, error) {
	select {
	case piece, ok := <-s.pieces:
		if !ok {
			return 0, io.EOF
		}
		return copy(p, piece), nil
	case <-s.ctx.Done():
		return 0, context.Cause(s.ctx)
	}
}

func (s *trickle) Close() error {
	if s.closed.Add(1) == 1 {
		close(s.over)
	}
	return nil
}

func fakeAddr(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip)} }
