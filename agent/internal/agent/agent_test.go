package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/demo"
	"github.com/corral-fleet/corral/agent/internal/hostmetrics"
	"github.com/corral-fleet/corral/agent/internal/identity"
	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	sdkconfig "github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/sdnotify"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/tunnel"
)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == keeper.Subcommand {
		os.Exit(keeper.Main(os.Stdin, os.NewFile(keeper.ReportFD, "reports")))
	}
	os.Exit(m.Run())
}

// peer is the control plane's side of an agent's session.
type peer struct {
	t       *testing.T
	hello   *wire.Hello
	mux     *tunnel.Session
	control net.Conn
	in      *wire.Reader
	out     *wire.Writer
}

// controlPlane welcomes every agent, on a loopback port without TLS.
func controlPlane(t *testing.T) (address string, sessions <-chan *peer) {
	t.Helper()
	arrived := make(chan *peer, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		p, err := welcome(ws)
		if err != nil {
			t.Error(err)
			ws.Close()
			return
		}
		p.t = t
		arrived <- p
	}))
	t.Cleanup(srv.Close)
	return srv.URL, arrived
}

func welcome(ws *websocket.Conn) (*peer, error) {
	nonce := make([]byte, wire.NonceSize)
	rand.Read(nonce)
	send := func(f wire.Frame) error { return ws.WriteMessage(websocket.BinaryMessage, wire.AppendFrame(nil, f)) }
	if err := send(&wire.Challenge{Nonce: nonce, MinVersion: 1, MaxVersion: 1}); err != nil {
		return nil, err
	}
	_, raw, err := ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	frame, err := wire.DecodeFrame(raw)
	if err != nil {
		return nil, err
	}
	hello, ok := frame.(*wire.Hello)
	if !ok || !hello.Verify(nonce) {
		return nil, fmt.Errorf("%T is no hello that proves its key", frame)
	}
	if err := send(&wire.Welcome{HostID: "h1", Name: "rack-1", Version: 1}); err != nil {
		return nil, err
	}
	mux := tunnel.Server(ws)
	control, err := mux.Accept()
	if err != nil {
		return nil, errors.Join(err, mux.Close())
	}
	return &peer{hello: hello, mux: mux, control: control, in: wire.NewReader(control), out: wire.NewWriter(control)}, nil
}

// await returns the agent's next frame of a type of which ok holds.
func await[F wire.Frame](p *peer, ok func(F) bool) F {
	p.t.Helper()
	p.control.SetReadDeadline(time.Now().Add(patience))
	for {
		frame, err := p.in.Read()
		if err != nil {
			p.t.Fatalf("waiting for a %T: %v", *new(F), err)
		}
		if f, is := frame.(F); is && ok(f) {
			return f
		}
	}
}

// settings are an agent's that has nothing yet.
func settings(t *testing.T) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.SampleInterval = 100 * time.Millisecond
	return cfg
}

func TestAnAgentFromStartToEnd(t *testing.T) {
	bin := realollama.Bin(t)
	t.Setenv("HOME", t.TempDir())
	address, sessions := controlPlane(t)
	cfg := settings(t)
	token := newToken(t)
	cfg.Server, cfg.Token, cfg.DemoModel = []config.ServerURL{config.ServerURL(address)}, sdkconfig.NewSecret(token), true
	cfg.Name, cfg.Labels = "rack-1", map[string]string{"zone": "b", "gpu": "none"}
	cfg.Ollama.Mode, cfg.Ollama.Bin, cfg.Ollama.URL = config.ModeManaged, bin, "http://127.0.0.1:0"
	cfg.Ollama.Settings.ModelsDir = filepath.Join(t.TempDir(), "models")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	result := make(chan error, 1)
	go func() { result <- New(cfg, "1.2.3", hclog.NewNullLogger()).Run(ctx, sdnotify.Service{}) }()

	var p *peer
	select {
	case p = <-sessions:
	case err := <-result:
		t.Fatalf("Run = %v", err)
	case <-time.After(patience):
		t.Fatal("no agent came")
	}
	host := p.hello.Host
	if p.hello.Token != token || host.Name != "rack-1" || host.AgentVersion != "1.2.3" || host.Hostname == "" || host.PeerAddress != "" {
		t.Errorf("the hello is %+v", p.hello)
	}
	if diff := cmp.Diff([]wire.Label{{Name: "gpu", Value: "none"}, {Name: "zone", Value: "b"}}, host.Labels); diff != "" {
		t.Error(diff)
	}
	first := await(p, func(s *wire.Sample) bool { return s.Memory.Known })
	if first.Seq == 0 || first.UnixMillis == 0 || first.Memory.TotalBytes == 0 {
		t.Errorf("the first sample is %+v", first)
	}
	ready := await(p, func(i *wire.Instances) bool {
		return len(i.List) == 1 && i.List[0].State == wire.InstanceReady && len(i.List[0].Models) == 1
	}).List[0]
	if ready.Name != wire.DefaultInstance || ready.Mode != "managed" || ready.PID == 0 || ready.Models[0].Name != demo.Model {
		t.Errorf("the instance is %+v", ready)
	}
	chat(t, p)
	act := func(want wire.ActionResult, kind, instance string) {
		t.Helper()
		if err := p.out.Write(&wire.Action{ID: want.ID, Kind: kind, Instance: instance}); err != nil {
			t.Fatal(err)
		}
		got := await(p, func(*wire.ActionResult) bool { return true })
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Error(diff)
		}
	}
	act(wire.ActionResult{ID: 1, Code: "ok"}, wire.ActionRefresh, wire.DefaultInstance)
	act(wire.ActionResult{ID: 2, Code: "not_implemented", Message: `this agent does not know the action "shell"; a newer one may`}, "shell", wire.DefaultInstance)
	act(wire.ActionResult{ID: 3, Code: "not_found", Message: `this host has no Ollama instance "gpu7"`}, wire.ActionRefresh, "gpu7")

	serve, err := procs.Read(int(ready.PID))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	stopped := time.Now()
	await(p, func(*wire.Goodbye) bool { return true })
	if _, err := p.in.Read(); err != io.EOF {
		t.Errorf("after the goodbye: %v", err)
	}
	p.mux.Close()
	select {
	case err := <-result:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run goes on")
	}
	if took := time.Since(stopped); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
	if now, err := procs.Read(int(ready.PID)); err == nil && now.Start == serve.Start && now.Running() {
		t.Error("Ollama runs on")
	}
	wantNothingLeft(t)
	id, err := identity.Open(cfg.DataDir) // which the agent no longer holds
	if err != nil {
		t.Fatal(err)
	}
	defer id.Close()
	if m := id.Membership(); m.HostID != "h1" || m.Name != "rack-1" {
		t.Errorf("the agent keeps %+v", m)
	}
}

func newToken(t *testing.T) string {
	t.Helper()
	srv := httptest.NewTLSServer(nil) // for its certificate alone
	defer srv.Close()
	return wire.NewJoinToken(srv.Certificate()).Reveal()
}

// chat asks the demo model through the tunnel.
func chat(t *testing.T, p *peer) {
	t.Helper()
	c := exchange.NewClient(func(context.Context) (net.Conn, error) { return p.mux.Open() }, "corral-agent", 4, time.Minute)
	defer c.Close()
	body := `{"model":"` + demo.Model + `","prompt":"Hello","stream":false}`
	res, err := c.Do(t.Context(), &exchange.Request{
		Method: "POST", Target: wire.OllamaPath + wire.DefaultInstance + "/api/generate",
		Body: strings.NewReader(body), Length: int64(len(body)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if said, err := io.ReadAll(res.Body); err != nil || res.Status != 200 || !strings.Contains(string(said), tinymodel.DefaultReply) {
		t.Errorf("it answers %d %s, %v", res.Status, said, err)
	}
}

// wantNothingLeft gives goroutines that have done their work the moment that
// they need to end.
func wantNothingLeft(t *testing.T) {
	t.Helper()
	late := time.Now().Add(2 * time.Second)
	stack := leftOver()
	for ; stack != "" && time.Now().Before(late); stack = leftOver() {
		time.Sleep(time.Millisecond)
	}
	if stack != "" {
		t.Errorf("left after Run:\n%s", stack)
	}
}

// leftOver returns the stack of a goroutine of the agent's that should be gone.
func leftOver() string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		return err.Error()
	}
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, "corral/agent/internal/") && !strings.Contains(stack, "_test.go") {
			return stack
		}
	}
	return ""
}

func TestWhatAnAgentCannotStartWithout(t *testing.T) {
	f := func(cfg config.Config, kind fault.Kind, sentence string) {
		t.Helper()
		err := New(cfg, "dev", hclog.NewNullLogger()).Run(t.Context(), sdnotify.Service{})
		if fault.KindOf(err) != kind || !strings.Contains(fault.MessageOf(err), sentence) {
			t.Errorf("Run = %v, want %q", err, sentence)
		}
	}
	cfg := settings(t)
	f(cfg, fault.Invalid, "--server")
	cfg.Server = []config.ServerURL{"http://127.0.0.1:1"}
	f(cfg, fault.Invalid, "--token")
	held, err := identity.Open(cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	f(cfg, fault.Conflict, "")
}

func TestAPartThatFailsEndsTheOthers(t *testing.T) {
	broken := errors.New("broken")
	ended := 0
	err := runAll(t.Context(), map[string]func(context.Context) error{
		"waits": func(ctx context.Context) error { <-ctx.Done(); ended++; return nil },
		"done":  func(context.Context) error { return nil },
		"fails": func(context.Context) error { return broken },
	})
	if !errors.Is(err, broken) || err.Error() != "fails: broken" || ended != 1 {
		t.Errorf("runAll = %v, and %d others ended", err, ended)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("asked to"))
	wait := func(ctx context.Context) error { <-ctx.Done(); return nil }
	if err := runAll(ctx, map[string]func(context.Context) error{"waits": wait}); err != nil {
		t.Errorf("a run that was ended = %v", err)
	}
}

func TestFactsThatCannotBeReadKeepNobodyAway(t *testing.T) {
	a := New(settings(t), "dev", hclog.NewNullLogger())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if facts, err := a.facts(ctx, hostmetrics.New(hostmetrics.Options{Logger: hclog.NewNullLogger()}), "gpu-1:7"); err != nil || facts.AgentVersion != "dev" || facts.PeerAddress != "gpu-1:7" {
		t.Errorf("facts = %+v, %v", facts, err)
	}
}

func TestKeepAlive(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "5m": 5 * time.Minute, "30": 30 * time.Second, "-1": -time.Second, "soon": 0} {
		if got := keepAlive(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
