package live

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
	"github.com/corral-fleet/corral/sdk/fault"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// bufferBytes is how much each end of a connection is asked to hold of what was not
// read. The kernel doubles it.
const bufferBytes = 128 << 10

// narrow is a listener whose connections hold no more than bufferBytes.
type narrow struct{ *net.TCPListener }

func (l narrow) Accept() (net.Conn, error) {
	conn, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return conn, conn.SetWriteBuffer(bufferBytes)
}

// dialNarrow connects by a connection that holds no more than bufferBytes.
func dialNarrow(network, addr string) (net.Conn, error) {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetReadBuffer(bufferBytes)
}

// keys is an Authenticator of a few keys.
type keys struct {
	gone      chan struct{} // of every key
	anonymous atomic.Uint32 // a Permission; 0 lets nobody in without a key
}

func (k *keys) Authenticate(_ context.Context, c edge.Credentials) (edge.Caller, error) {
	secrets := []string{c.Bearer, c.URLKey}
	for _, token := range c.Subprotocols {
		if key, ok := strings.CutPrefix(token, "bearer."); ok {
			secrets = append(secrets, key)
		}
	}
	if c.Ticket == "good" {
		return edge.Caller{ID: "v", Name: "viewer", May: edge.Read, ByTicket: true, Gone: k.gone}, nil
	}
	for _, s := range secrets {
		switch s {
		case "":
			continue
		case "viewer":
			return edge.Caller{ID: "v", Name: "viewer", May: edge.Read, Gone: k.gone}, nil
		case "operator":
			return edge.Caller{ID: "o", Name: "operator", May: edge.Operate, Priority: -1, Gone: k.gone}, nil
		case "busy":
			return edge.Caller{}, fault.New(fault.RateLimited, "too many requests")
		}
		return edge.Caller{}, fault.New(fault.Unauthenticated, "nobody has this key")
	}
	if may := edge.Permission(k.anonymous.Load()); may != 0 {
		return edge.Caller{Name: "anonymous", May: may, Anonymous: true}, nil
	}
	return edge.Caller{}, fault.New(fault.Unauthenticated, "a key is needed")
}

// counted is a summary that counts how often it was asked.
type counted struct {
	*summary.Summary
	updates atomic.Int64
	broken  atomic.Bool   // answers with a number that JSON does not have
	numbers atomic.Bool   // answers with the count as TotalRequests
	usages  atomic.Int64  // how often it was asked for the hosts' numbers
	looked  chan struct{} // full once the models were asked for
}

func (c *counted) Models() []fleet.Model {
	models := c.Summary.Models()
	select {
	case c.looked <- struct{}{}:
	default:
	}
	return models
}

func (c *counted) Update() summary.MetricsUpdate {
	n := c.updates.Add(1)
	u := c.Summary.Update()
	if c.numbers.Load() {
		u.TotalRequests = n
	}
	if c.broken.Load() {
		zero := 0.0
		u.CPUUsage = zero / zero
	}
	return u
}

func (c *counted) HostMetrics(sequence uint64) summary.HostMetrics {
	c.usages.Add(1)
	m := c.Summary.HostMetrics(sequence)
	if c.broken.Load() {
		zero := 0.0
		nan := zero / zero
		m.Hosts = append(m.Hosts, summary.HostUsage{CPUPercent: &nan})
	}
	return m
}

type noRequests struct{}

func (noRequests) Requests() int64             { return 7 }
func (noRequests) MeanResponse() time.Duration { return 1500 * time.Microsecond }

// chatFunc is a Chat.
type chatFunc func(ctx context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error)

func (f chatFunc) Ask(ctx context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error) {
	return f(ctx, q, onPiece)
}

// echoes answers each question with its words, one piece each.
func echoes(_ context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error) {
	words := strings.SplitAfter(q.Message, " ")
	for _, w := range words {
		if err := onPiece(chat.Piece{Text: w}); err != nil {
			return nil, err
		}
	}
	return &chat.Reply{Message: q.Message, Model: q.Model, Tokens: len(words), ResponseTime: 1234 * time.Microsecond}, nil
}

// fixture is a running server with a registry of one host.
type fixture struct {
	*Live
	t          *testing.T
	addr       string
	keys       *keys
	summary    *counted
	registry   *fleet.Registry
	operations *operations.Operations
	stop       context.CancelFunc
}

// at is when everything in these tests happens.
func at() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// forgetful is a store of operations that keeps nothing.
type forgetful struct{}

func (forgetful) SaveOperations(context.Context, ...fleet.Operation) error   { return nil }
func (forgetful) Operations(context.Context, int) ([]fleet.Operation, error) { return nil, nil }
func (forgetful) PruneOperations(context.Context, time.Time) error           { return nil }

// start runs a Live behind an edge until the test ends. Everything must have
// ended in time.
func start(t *testing.T, ask chatFunc, change func(*pace)) *fixture {
	t.Helper()
	f := &fixture{t: t, keys: &keys{gone: make(chan struct{})}}
	f.registry = fleet.NewRegistry([]fleet.Host{{ID: "h1", Name: "alpha"}})
	f.registry.Connect("h1", 1, at(), 0)
	f.summary = &counted{looked: make(chan struct{}, 1)}
	log := hclog.NewNullLogger()
	f.operations = operations.New(forgetful{}, at, log)
	f.Live = New(Options{Summary: f.summary, Chat: ask, Registry: f.registry, Storages: shelf{}, Uploads: fullDisk{}, Operations: f.operations, Catalogue: func() <-chan struct{} { return nil }, Authenticator: f.keys, Log: log, Now: at})
	f.summary.Summary = summary.New(f.registry, noRequests{}, f.Connections, func() []summary.StorageStatus { return []summary.StorageStatus{} },
		func() []fleet.Model { return fleet.ModelsOf(f.registry.Hosts()) }, "1.2.3", at)
	// Those who want it otherwise say so.
	f.pace.metrics, f.pace.models = time.Hour, time.Millisecond
	f.pace.hostMetrics, f.pace.hosts = time.Hour, time.Millisecond
	if change != nil {
		change(&f.pace)
	}
	router := edge.NewRouter()
	for _, r := range f.Routes() {
		router.Route(r)
	}
	server, err := edge.New(edge.Config{
		Authenticator: f.keys,
		Policy:        func() *edge.Snapshot { return &edge.Snapshot{} },
		Grace:         100 * time.Millisecond, Log: log,
	}, router)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	ended := make(chan error, 2)
	go func() { ended <- f.Run(ctx) }()
	// Who connects from here on hears of no first look: a second one comes only
	// after it, and finds nothing new.
	await(t, f.summary.looked, "the first look at the models")
	f.registry.Put(fleet.Host{ID: "h1", Name: "alpha"})
	await(t, f.summary.looked, "the second look at the models")
	go func() { ended <- server.Run(ctx, narrow{ln.(*net.TCPListener)}) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := await(t, ended, "the end of Run"); err != nil {
				t.Errorf("Run: %v", err)
			}
		}
		if n := f.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return f
}

// client is one WebSocket.
type client struct {
	t *testing.T
	*websocket.Conn
}

func (f *fixture) dial(path string, header ...string) (*client, *http.Response, error) {
	f.t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	d := websocket.Dialer{NetDial: dialNarrow, HandshakeTimeout: patience, Subprotocols: h["Subprotocols"]}
	h.Del("Subprotocols")
	c, resp, err := d.Dial("ws://"+f.addr+path, h)
	if err != nil {
		return nil, resp, err
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	return &client{f.t, c}, resp, nil
}

// mustDial connects with an operator's key.
func (f *fixture) mustDial(path string) *client {
	f.t.Helper()
	c, _, err := f.dial(path, "Authorization", "Bearer operator")
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// raw connects in the raw dialect and takes the greeting.
func (f *fixture) raw() *client {
	f.t.Helper()
	c := f.mustDial("/ws")
	c.want(`{"type":"init","message":"Connected to Corral","data":` + initData("operate") + `}`)
	return c
}

func initData(permission string) string {
	return `{"server_time":"2026-01-02T03:04:05Z","permission":"` + permission + `",` +
		`"events":["get_metrics","get_models","get_system_status","chat_request","subscribe","unsubscribe","upload_model","browse_storage"],` +
		`"topics":["metrics_update","models_list","model_progress"]}`
}

func (c *client) say(text string) {
	c.t.Helper()
	c.write(websocket.TextMessage, text)
}

func (c *client) sayBinary(data string) {
	c.t.Helper()
	c.write(websocket.BinaryMessage, data)
}

func (c *client) write(kind int, data string) {
	c.t.Helper()
	if err := c.WriteMessage(kind, []byte(data)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) hear() string {
	c.t.Helper()
	_, data, err := c.ReadMessage()
	if err != nil {
		c.t.Fatalf("waited in vain for a message: %v", err)
	}
	return string(data)
}

func (c *client) want(text string) {
	c.t.Helper()
	if got := c.hear(); got != text {
		c.t.Fatalf("heard\n%s\nwant\n%s", got, text)
	}
}

// hearFrame returns the next frame of the raw dialect.
func (c *client) hearFrame() (f rawFrame) {
	c.t.Helper()
	text := c.hear()
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		c.t.Fatalf("%v in %s", err, text)
	}
	return f
}

// wantClosed reads to the end of the connection and expects this code.
func (c *client) wantClosed(code int) {
	c.t.Helper()
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code {
			c.t.Fatalf("the connection ended with %v, want %d", err, code)
		}
		return
	}
}

func (f *fixture) get(path string) (int, http.Header, string) {
	f.t.Helper()
	resp, err := http.Get("http://" + f.addr + path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
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

// report puts models on the registry's host.
func (f *fixture) report(names ...string) {
	instance := fleet.Instance{Name: "default", State: fleet.InstanceReady, ModelsKnown: true}
	for _, n := range names {
		instance.Models = append(instance.Models, fleet.HostModel{Name: n, Digest: "d", SizeBytes: 10})
	}
	f.registry.Report("h1", 1, at(), []fleet.Instance{instance})
}
