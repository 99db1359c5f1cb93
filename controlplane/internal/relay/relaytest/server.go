// Package relaytest serves routes on loopback for tests, through a real edge,
// and stands in for the hosts behind them.
package relaytest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Patience is how long a test waits for what must happen.
const Patience = 10 * time.Second

// keys are an Authenticator whose keys are called after what they may do.
type keys struct{}

// Priority is that of every key.
const Priority = 1

// Authenticate implements [edge.Authenticator].
func (keys) Authenticate(_ context.Context, c edge.Credentials) (edge.Caller, error) {
	for _, may := range Permissions() {
		if c.Bearer == may.String() || c.URLKey == may.String() {
			return edge.Caller{ID: may.String(), Name: may.String(), May: may, Priority: Priority}, nil
		}
	}
	return edge.Caller{}, fault.New(fault.Unauthenticated, "a key is needed")
}

// Permissions returns what keys there are: each is called after its permission,
// such as "infer".
func Permissions() []edge.Permission {
	return []edge.Permission{edge.Read, edge.Infer, edge.Operate, edge.Administer}
}

// Server is a running edge.
type Server struct {
	URL string
	t   testing.TB
}

// Serve serves routes until the test ends. Every answer has to have ended then.
func Serve(t testing.TB, routes []edge.Route) *Server {
	t.Helper()
	router := edge.NewRouter()
	for _, r := range routes {
		router.Route(r)
	}
	policy := &edge.Snapshot{}
	server, err := edge.New(edge.Config{
		Authenticator: keys{},
		Policy:        func() *edge.Snapshot { return policy },
		Grace:         Patience,
		Log:           hclog.NewNullLogger(),
	}, router)
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	ln, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := Await(t, ended, "the server's end"); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return &Server{URL: "http://" + ln.Addr().String(), t: t}
}

// Result is an answer as a client saw it.
type Result struct {
	Status int // 0 where there was no answer
	Header http.Header
	Body   string
	Err    error // of the request, or of reading the body
}

// Do sends a request with the key of a permission, 0 for none, and with header
// lines such as "Accept: text/html", and reads the whole answer.
func (s *Server) Do(may edge.Permission, method, target, body string, header ...string) Result {
	resp, err := s.send(s.t.Context(), may, method, target, body, header...)
	if err != nil {
		return Result{Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	return Result{Status: resp.StatusCode, Header: resp.Header, Body: string(read), Err: err}
}

// Open sends a request and returns its answer as soon as that has begun.
func (s *Server) Open(ctx context.Context, may edge.Permission, method, target, body string, header ...string) *http.Response {
	s.t.Helper()
	resp, err := s.send(ctx, may, method, target, body, header...)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, target, err)
		return &http.Response{Body: http.NoBody}
	}
	return resp
}

// Try sends a request that may fail and returns the error.
func (s *Server) Try(ctx context.Context, may edge.Permission, method, target, body string) error {
	resp, err := s.send(ctx, may, method, target, body)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Upload posts a body piece by piece, as it can be read, and returns the status.
func (s *Server) Upload(ctx context.Context, may edge.Permission, target string, body io.Reader) (int, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+target, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+may.String())
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (s *Server) send(ctx context.Context, may edge.Permission, method, target, body string, header ...string) (*http.Response, error) {
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+target, sent)
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if may != 0 {
		req.Header.Set("Authorization", "Bearer "+may.String())
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(req) // unlike a client, it follows no redirect
}

// Await waits for an event of a test.
func Await[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(Patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}
