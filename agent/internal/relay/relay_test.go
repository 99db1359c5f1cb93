package relay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// nothing is a handler for tests in which no request may arrive.
func nothing(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s arrived", r.Method, r.URL) }
}

func TestWhatReachesOllama(t *testing.T) {
	seen := make(chan *http.Request, 1)
	bodies := make(chan string, 1)
	s := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- r
		bodies <- string(body)
		w.Header().Set("X-From", "ollama")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	})
	c, _ := through(t, s)
	got := ask(t, c, &exchange.Request{
		Method: "POST", Target: "/ollama/default/api/chat?x=1", Body: strings.NewReader(`{"model":"m"}`), Length: 13,
		Fields: exchange.Fields{
			{Name: "Content-Type", Value: "application/json"},
			{Name: "Accept", Value: "application/x-ndjson"},
			{Name: "User-Agent", Value: "curl"},
			{Name: "Origin", Value: "http://evil.example"},
			{Name: "cookie", Value: "session=1"},
			{Name: "Authorization", Value: "Bearer crl_secret"},
			{Name: "Referer", Value: "http://evil.example"},
			{Name: "X-Forwarded-For", Value: "192.0.2.1"},
			{Name: wire.StreamField, Value: "1"},
		},
	})
	if got.status != http.StatusTeapot || got.body != "short and stout" || got.fields.Get("X-From") != "ollama" || got.fault != "" {
		t.Errorf("the answer is %+v", got)
	}
	r := <-seen
	if r.Method != "POST" || r.RequestURI != "/api/chat?x=1" || <-bodies != `{"model":"m"}` {
		t.Errorf("%s %s arrived", r.Method, r.RequestURI)
	}
	if endpoint, _ := s.Endpoint(); r.Host != endpoint {
		t.Errorf("the host is %q, want %q", r.Host, endpoint)
	}
	for name := range r.Header {
		switch name {
		case "Content-Type", "Accept", "User-Agent", "Content-Length":
		default:
			t.Errorf("%s was passed on", name)
		}
	}
}

func TestWhatIsNotServed(t *testing.T) {
	c, _ := through(t, standIn(t, nothing(t)))
	f := func(target, fault, sentence string) {
		t.Helper()
		got := ask(t, c, &exchange.Request{Target: target})
		if got.status != 502 || got.fault != fault || !strings.Contains(got.body, sentence) {
			t.Errorf("%s: %+v", target, got)
		}
	}
	const path = "does not serve this path"
	f("/", "not_found host", path)
	f("/metrics", "not_found host", path)
	f("/ollama/default", "not_found host", path)
	f("/ollama/default/debug/pprof/", "not_found host", path)
	f("/ollama/default/apis", "not_found host", path)
	f("/ollama/default/api", "not_found host", path)
	f("/ollama/default/?x", "not_found host", path)
	f("/ollama/default//api/tags", "not_found host", path)
	f("/ollama/default/api/../debug", "not_found host", path)
	f("/ollama/default/api/%2e%2E/debug", "not_found host", path)
	f("/ollama/default/api/..%2fdebug", "not_found host", path)
	f("/ollama/default/api/%zz", "not_found host", path)
	f("/ollama/%zz/api/tags", "not_found host", path)
	f("/ollama/gpu1/api/tags", "not_found host", `no Ollama instance "gpu1"`)
	f("/logs/gpu1?lines=1", "not_found host", `no Ollama instance "gpu1"`)
	f("/logs/default", "invalid ours", `"lines" is a number`)
	f("/logs/default?lines=-1", "invalid ours", `"lines" is a number`)
	f("/logs/default?lines=10001", "invalid ours", `"lines" is a number`)
	f("/logs/default?lines=1;", "invalid ours", "malformed")
}

func TestAnInstanceThatIsNotReady(t *testing.T) {
	s, err := ollama.New(ollama.Config{Mode: ollama.ModeAttached, Instance: "default", URL: "http://127.0.0.1:1", DataDir: t.TempDir()}, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	c, _ := through(t, s)
	big := io.LimitReader(endless{}, 4<<20) // more than is read before a handler is asked
	for range 2 {
		got := ask(t, c, &exchange.Request{Method: "POST", Target: "/ollama/default/api/chat", Body: big, Length: 4 << 20})
		if got.status != 502 || got.fault != "unavailable ollama" || !strings.Contains(got.body, "does not serve") {
			t.Errorf("%+v", got)
		}
		big = io.LimitReader(endless{}, 4<<20)
	}
}

func TestPiecesComeAsTheyAreSent(t *testing.T) {
	next := make(chan string)
	c, r := through(t, standIn(t, func(w http.ResponseWriter, _ *http.Request) {
		for piece := range next {
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
	}))
	send := sync.OnceFunc(func() { close(next) })
	defer send()
	go func() { next <- "first" }()
	res, err := c.Do(t.Context(), streaming())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 100)
	for _, pair := range [][2]string{{"first", "second"}, {"second", "third"}, {"third", ""}} {
		n, err := res.Body.Read(buf)
		if err != nil || string(buf[:n]) != pair[0] {
			t.Fatalf("read %q, %v; want %q", buf[:n], err, pair[0])
		}
		if r.InFlight() != 1 {
			t.Errorf("%d are in flight", r.InFlight())
		}
		if pair[1] != "" {
			next <- pair[1]
		}
	}
	send()
	if _, err := res.Body.Read(buf); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// streaming is a request whose answer comes token by token.
func streaming() *exchange.Request {
	return &exchange.Request{
		Method: "POST", Target: "/ollama/default/api/chat", Body: strings.NewReader(`{"model":"m"}`), Length: 13,
		Fields: exchange.Fields{{Name: wire.StreamField, Value: "1"}},
	}
}

func TestALeavingClientEndsTheGeneration(t *testing.T) {
	for _, when := range []string{"before the first byte", "between pieces", "while its request is sent"} {
		began, ended := make(chan struct{}), make(chan struct{})
		c, _ := through(t, standIn(t, func(w http.ResponseWriter, r *http.Request) {
			if when == "while its request is sent" {
				close(began)
				io.Copy(io.Discard, r.Body)
				close(ended)
				return
			}
			io.Copy(io.Discard, r.Body) // net/http looks out for a client that leaves only then
			if when == "between pieces" {
				io.WriteString(w, "piece")
				w.(http.Flusher).Flush()
			}
			close(began)
			<-r.Context().Done()
			close(ended)
		}))
		ctx, leave := context.WithCancel(t.Context())
		req := streaming()
		if when == "while its request is sent" {
			body, more := io.Pipe()
			req.Body, req.Length = body, -1
			go func() {
				more.Write(make([]byte, 100<<10))
				<-ctx.Done()
				more.CloseWithError(ctx.Err())
			}()
		}
		go func() { <-began; leave() }()
		res, err := c.Do(ctx, req)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", when, err)
		}
		left := time.Now()
		<-ended
		if took := time.Since(left); took > 500*time.Millisecond {
			t.Errorf("%s: Ollama went on for %v", when, took)
		}
	}
}

func TestABrokenAnswerIsNeverWhole(t *testing.T) {
	c, _ := through(t, standIn(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/length" {
			w.Header().Set("Content-Length", "1000")
		}
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	for _, path := range []string{"length", "chunks"} {
		res, err := c.Do(t.Context(), &exchange.Request{Method: "GET", Target: "/ollama/default/api/" + path})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "half" {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		res.Body.Close()
	}
}

func TestAnOllamaThatBreaksOffBeforeItAnswers(t *testing.T) {
	c, _ := through(t, standIn(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	if got := ask(t, c, streaming()); got.status != 502 || got.fault != "unavailable ollama" {
		t.Errorf("%+v", got)
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	c, _ := through(t, standIn(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(body)
	}))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range 20 {
				size := int64(1) << i
				res, err := c.Do(t.Context(), &exchange.Request{Method: "POST", Target: "/ollama/default/v1/x", Body: io.LimitReader(endless{}, size), Length: size})
				if err != nil {
					t.Error(err)
					return
				}
				if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
					t.Errorf("%d bytes of %d came back: %v", n, size, err)
				}
				res.Body.Close()
			}
		})
	}
	wg.Wait()
}

// endless reads as zeros for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func BenchmarkStream(b *testing.B) {
	piece := []byte(`{"model":"m","created_at":"2026-11-23T00:00:00Z","message":{"role":"assistant","content":" token"},"done":false}` + "\n")
	c, _ := through(b, standIn(b, func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			w.Write(piece)
			w.(http.Flusher).Flush()
		}
	}))
	b.ReportAllocs()
	for b.Loop() {
		res, err := c.Do(b.Context(), streaming())
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(64*len(piece)) {
			b.Fatal(n, err)
		}
		res.Body.Close()
	}
}
