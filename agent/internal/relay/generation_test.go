package relay

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// budget is how long a generation may produce nothing in these tests.
const budget = 200 * time.Millisecond

// strict is a stand-in with a loaded model, of which stalls are told soon.
func strict(t *testing.T, handler http.HandlerFunc) *ollama.Supervisor {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /api/version":
			io.WriteString(w, `{"version":"0.17.4"}`)
		case "GET /api/tags":
			io.WriteString(w, `{"models":[]}`)
		case "GET /api/ps":
			io.WriteString(w, `{"models":[{"name":"m","digest":"d"}]}`)
		default:
			handler(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s := supervise(t, ollama.Config{
		Mode: ollama.ModeAttached, URL: srv.URL,
		Stalls: ollama.Stalls{FirstToken: budget, Token: budget},
		Timing: ollama.Timing{StallsEvery: 10 * time.Millisecond, LoadedEvery: 10 * time.Millisecond, StallHold: time.Hour},
	})
	awaitReady(t, s)
	return s
}

// awaitState waits until the instance is in a state.
func awaitState(t *testing.T, s *ollama.Supervisor, state string) {
	t.Helper()
	for late := time.After(patience); s.Snapshot().State != state; {
		select {
		case <-s.Changed():
		case <-late:
			t.Fatalf("it does not become %s: %+v", state, s.Snapshot())
		}
	}
}

// staysReady wants the instance to be ready for several times the budget.
func staysReady(t *testing.T, s *ollama.Supervisor) {
	t.Helper()
	over := time.After(5 * budget)
	for {
		if i := s.Snapshot(); i.State != wire.InstanceReady {
			t.Fatalf("it did not stay ready: %+v", i)
		}
		select {
		case <-s.Changed():
		case <-over:
			if i := s.Snapshot(); i.InFlight != 1 {
				t.Fatalf("the request is not under way: %+v", i)
			}
			return
		}
	}
}

func chatOf(body io.Reader, length int64) *exchange.Request {
	return &exchange.Request{
		Method: "POST", Target: "/ollama/default/api/chat", Body: body, Length: length,
		Fields: exchange.Fields{{Name: wire.StreamField, Value: "1"}},
	}
}

func TestReaderWhoTakesNothingIsNoStall(t *testing.T) {
	line := strings.Repeat("x", 64<<10)
	s := strict(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, line)
		}
	})
	c, _ := through(t, s)
	res, err := c.Do(t.Context(), chatOf(nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	staysReady(t, s) // every buffer is full by now
}

func TestQuestionThatIsOnItsWayIsNoStall(t *testing.T) {
	asked := make(chan struct{})
	s := strict(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	})
	c, _ := through(t, s)
	body, question := io.Pipe()
	const half = 128 << 10
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := c.Do(t.Context(), chatOf(body, 2*half)); err == nil {
			res.Body.Close()
		}
	}()
	if _, err := question.Write(make([]byte, half)); err != nil {
		t.Fatal(err)
	}
	staysReady(t, s)
	if _, err := question.Write(make([]byte, half)); err != nil {
		t.Fatal(err)
	}
	<-asked
	awaitState(t, s, wire.InstanceDegraded) // nobody answers it
	t.Cleanup(func() { <-ended })
}
