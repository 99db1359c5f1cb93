package relay

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == keeper.Subcommand {
		os.Exit(keeper.Main(os.Stdin, os.NewFile(keeper.ReportFD, "reports")))
	}
	os.Exit(m.Run())
}

// supervise runs a supervisor until the test ends.
func supervise(t testing.TB, c ollama.Config) *ollama.Supervisor {
	t.Helper()
	c.Instance, c.DataDir = wire.DefaultInstance, t.TempDir()
	c.Timing.ReadyEvery = 10 * time.Millisecond
	s, err := ollama.New(c, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return s
}

// awaitReady waits until requests can go to the supervisor's Ollama.
func awaitReady(t testing.TB, s *ollama.Supervisor) {
	t.Helper()
	for late := time.After(patience); ; {
		if _, ok := s.Endpoint(); ok {
			return
		}
		select {
		case <-s.Changed():
		case <-late:
			t.Fatalf("Ollama does not come up: %+v", s.Snapshot())
		}
	}
}

// standIn is a server that looks like an Ollama to a supervisor and answers
// everything else by handler.
func standIn(t testing.TB, handler http.HandlerFunc) *ollama.Supervisor {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /api/version":
			io.WriteString(w, `{"version":"0.17.4"}`)
		case "GET /api/tags", "GET /api/ps":
			io.WriteString(w, `{"models":[]}`)
		default:
			handler(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s := supervise(t, ollama.Config{Mode: ollama.ModeAttached, URL: srv.URL})
	awaitReady(t, s)
	return s
}

// through returns a client whose requests a relay to s serves, and the relay.
func through(t testing.TB, s *ollama.Supervisor) (*exchange.Client, *Relay) {
	t.Helper()
	return throughWith(t, s, nil)
}

// throughWith is the same with somebody who does the work on models.
func throughWith(t testing.TB, s *ollama.Supervisor, jobs Jobs) (*exchange.Client, *Relay) {
	t.Helper()
	r := New(map[string]*ollama.Supervisor{wire.DefaultInstance: s}, jobs, hclog.NewNullLogger())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		for {
			stream, err := l.Accept()
			if err != nil {
				return
			}
			working.Go(func() { r.Serve(ctx, stream) })
		}
	})
	c := exchange.NewClient(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}, "corral-agent", 64, time.Minute)
	t.Cleanup(func() {
		stop()
		l.Close()
		c.Close()
		working.Wait()
		if n := r.InFlight(); n != 0 {
			t.Errorf("%d requests are still counted", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, r
}

// answer is a whole response.
type answer struct {
	status int
	fault  string
	body   string
	fields exchange.Fields
}

func ask(t *testing.T, c *exchange.Client, req *exchange.Request) answer {
	t.Helper()
	if req.Method == "" {
		req.Method = "GET"
	}
	res, err := c.Do(t.Context(), req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.Target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.Target, err)
	}
	fields := append(exchange.Fields(nil), res.Fields...)
	return answer{res.Status, fields.Get(wire.FaultField), string(body), fields}
}
