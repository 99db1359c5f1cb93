package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	ndjson = "application/x-ndjson"
	sse    = "text/event-stream"
	body   = `{"model":"tiny","stream":true}`
	token  = `{"model":"tiny","message":{"content":"Hello"},"done":false}` + "\n"
	last   = `{"model":"tiny","message":{"content":""},"done":true,"done_reason":"stop"}` + "\n"
	lost   = `the answer from host \"alpha\" broke off before its end`
)

func native() relay.Endpoint {
	return relay.Endpoint{
		Path: "/api/chat", Dialect: edge.Ollama, Body: "api.ChatRequest", Streaming: relay.UnlessFalse,
		Ending: relay.OllamaEnding, NotFound: relay.NotFound,
	}
}

func completions() relay.Endpoint {
	return relay.Endpoint{
		Path: "/v1/chat/completions", Dialect: edge.OpenAI, Body: "openai.ChatCompletionRequest", Streaming: relay.IfTrue,
		Ending: relay.OpenAIEnding, NotFound: relay.NotFound,
	}
}

func messages() relay.Endpoint {
	return relay.Endpoint{
		Path: "/v1/messages", Dialect: edge.Anthropic, Body: "anthropic.MessagesRequest", Streaming: relay.IfTrue,
		Ending: relay.AnthropicEnding, NotFound: relay.NotFound,
	}
}

func serve(t *testing.T, e relay.Endpoint, forward relaytest.Forward) *relaytest.Server {
	t.Helper()
	return relaytest.Serve(t, []edge.Route{relay.New(forward, nil, hclog.NewNullLogger()).Route(e, edge.Infer)})
}

// What a client reads of a stream, whole or broken.
func TestStreams(t *testing.T) {
	broken := fault.Wrap(fault.Unavailable, errors.New("reset"), "the host broke the answer off").On(fault.Host)
	openAI := "data: " + `{"error":{"code":"unavailable","message":"` + lost + `","param":null,"type":"api_error"}}` + "\n\n"
	anthropic := "event: error\ndata: " + `{"error":{"message":"` + lost + `","type":"api_error"},"type":"error"}` + "\n\n"
	for name, c := range map[string]struct {
		endpoint relay.Endpoint
		mime     string
		end      error
		pieces   []string
		want     string
	}{
		"whole":                    {native(), ndjson, nil, []string{token, token, last}, token + token + last},
		"whole, then a reset":      {native(), ndjson, broken, []string{token, last}, token + last},
		"Ollama's own error":       {native(), ndjson, nil, []string{token, `{"error":"x"}` + "\n"}, token + `{"error":"x"}` + "\n"},
		"an end without its end":   {native(), ndjson, nil, []string{token}, token + `{"error":"` + lost + `"}` + "\n"},
		"a reset":                  {native(), ndjson, broken, []string{token}, token + `{"error":"` + lost + `"}` + "\n"},
		"an end of our own":        {native(), ndjson, fault.New(fault.Unavailable, "we go"), []string{token}, token + `{"error":"we go"}` + "\n"},
		"cut within a line":        {native(), ndjson, broken, []string{token, token[:20]}, token + token[:20] + "\n" + `{"error":"` + lost + `"}` + "\n"},
		"a first line of 2 KiB":    {native(), ndjson, nil, []string{strings.Repeat(" ", 2048) + token, last}, strings.Repeat(" ", 2048) + token + last},
		"one object":               {native(), "application/json; charset=utf-8", nil, []string{last}, last},
		"completion":               {completions(), sse, nil, []string{"data: {}\n\n", "data: [DONE]\n\n"}, "data: {}\n\ndata: [DONE]\n\n"},
		"completion without DONE":  {completions(), sse, nil, []string{"data: {}\n\n", "data: {\"model\":\"\"}\n\n"}, "data: {}\n\ndata: {\"model\":\"\"}\n\n\n" + openAI},
		"completion cut in a line": {completions(), sse, broken, []string{"data: {}\n\n", "data: {"}, "data: {}\n\ndata: {\n\n" + openAI},
		"message":                  {messages(), sse, nil, []string{"event: message_stop\ndata: {}\n\n"}, "event: message_stop\ndata: {}\n\n"},
		"message without its stop": {messages(), sse, nil, []string{"event: ping\ndata: {}\n\n"}, "event: ping\ndata: {}\n\n\n" + anthropic},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.endpoint, func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
				return relaytest.Stream(c.mime, c.end, c.pieces...), nil
			})
			got := s.Do(edge.Infer, "POST", c.endpoint.Path, body)
			if got.Status != 200 || got.Header.Get("Content-Type") != c.mime || got.Header.Get(relay.HostField) != "alpha" || got.Err != nil {
				t.Errorf("%d %v %v", got.Status, got.Header, got.Err)
			}
			if got.Body != c.want {
				t.Errorf("got  %q\nwant %q", got.Body, c.want)
			}
		})
	}
}

// What is one object can't be mended when it breaks off, so the connection tells.
func TestBrokenObjectIsCut(t *testing.T) {
	for _, length := range []int64{-1, 10} {
		s := serve(t, native(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
			a := relaytest.Stream("application/json", errors.New("reset"), "{")
			a.Length = length
			return a, nil
		})
		if got := s.Do(edge.Infer, "POST", "/api/chat", body); got.Err == nil {
			t.Errorf("length %d: the client took %q for a whole answer", length, got.Body)
		}
	}
}

// A body may come with its end in one piece, as short ones do on the way here.
func TestBodyAndItsEndAtOnce(t *testing.T) {
	for mime, want := range map[string]string{"application/json": `{"x":1}`, ndjson: token + last} {
		s := serve(t, native(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
			a := relaytest.Answer(200, mime, want)
			a.Body = io.NopCloser(iotest.DataErrReader(a.Body))
			return a, nil
		})
		if got := s.Do(edge.Infer, "POST", "/api/chat", body); got.Status != 200 || got.Body != want || got.Err != nil {
			t.Errorf("%s: %d %q %v", mime, got.Status, got.Body, got.Err)
		}
	}
}

// While nothing has been sent, an error has its status.
func TestErrorsBeforeTheFirstByte(t *testing.T) {
	for name, c := range map[string]struct {
		answer *fleet.Answer
		status int
		want   string
	}{
		"a stream of nothing": {relaytest.Stream(ndjson, nil), 503, `{"error":"` + lost + `"}`},
		"a reset":             {relaytest.Stream(ndjson, errors.New("reset")), 503, `{"error":"` + lost + `"}`},
		"too slow":            {relaytest.Stream(ndjson, fault.New(fault.Timeout, "no token in time").On(fault.Ollama)), 504, `{"error":"no token in time"}`},
		"an error of no words": {
			relaytest.Answer(500, "text/plain", ""), 500,
			`{"error":"Ollama on host \"alpha\" answered with status 500 and no reason"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, native(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) { return c.answer, nil })
			if got := s.Do(edge.Infer, "POST", "/api/chat", body); got.Status != c.status || got.Body != c.want {
				t.Errorf("%d %s, want %d %s", got.Status, got.Body, c.status, c.want)
			}
		})
	}
	t.Run("nothing at all", func(t *testing.T) {
		s := serve(t, native(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
			return relaytest.Answer(200, "text/plain", ""), nil
		})
		if got := s.Do(edge.Infer, "POST", "/api/chat", body); got.Status != 200 || got.Body != "" {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
}

// A client that leaves ends the generation, before the first token and after it.
func TestLeavingEndsTheGeneration(t *testing.T) {
	began := make(chan *relaytest.Endless, 1)
	var first atomic.Pointer[string]
	s := serve(t, native(), func(ctx context.Context, _ string, _ fleet.Call) (*fleet.Answer, error) {
		endless := relaytest.NewEndless(ctx, *first.Load())
		answer := relaytest.Stream(ndjson, nil)
		answer.Body = endless
		began <- endless
		return answer, nil
	})
	for _, piece := range []string{token, ""} {
		first.Store(&piece)
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			defer close(left)
			if piece == "" {
				left <- s.Try(ctx, edge.Infer, "POST", "/api/chat", body)
				return
			}
			resp := s.Open(ctx, edge.Infer, "POST", "/api/chat", body)
			got := make([]byte, len(piece))
			_, err := io.ReadFull(resp.Body, got)
			leave()
			left <- errors.Join(err, resp.Body.Close())
		}()
		upstream := relaytest.Await(t, began, "the call")
		if piece == "" {
			leave()
			if err := relaytest.Await(t, left, "the client"); !errors.Is(err, context.Canceled) {
				t.Errorf("the client ended with %v", err)
			}
		} else if err := relaytest.Await(t, left, "the first token"); err != nil {
			t.Errorf("the first token: %v", err)
		}
		relaytest.Await(t, upstream.Over, "the end of the generation")
	}
}

func TestBreakingOffIsLogged(t *testing.T) {
	var log bytes.Buffer
	r := relay.New(relaytest.Forward(func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		return relaytest.Stream(ndjson, errors.New("the cause"), token), nil
	}), nil, hclog.New(&hclog.LoggerOptions{Output: &log}))
	resp, err := r.Handler(native())(t.Context(), &edge.Request{Method: "POST", Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Stream); err != nil {
		t.Errorf("the client was told of %v", err)
	}
	if err := resp.Stream.Close(); err != nil {
		t.Error(err)
	}
	if s := log.String(); !strings.Contains(s, "the cause") || !strings.Contains(s, "host=alpha") || strings.Contains(s, "Hello") {
		t.Errorf("the log says %s", s)
	}
}

// Once an answer has begun, passing it on costs no memory.
func TestReadingAllocatesNothing(t *testing.T) {
	r := relay.New(relaytest.Forward(func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		answer := relaytest.Stream(ndjson, nil)
		answer.Body = io.NopCloser(forever{})
		return answer, nil
	}), nil, hclog.NewNullLogger())
	resp, err := r.Handler(native())(t.Context(), &edge.Request{Method: "POST", Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n := testing.AllocsPerRun(100, func() {
		if _, err := resp.Stream.Read(buf); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a line costs %v allocations", n)
	}
}

// forever says the same line for ever.
type forever struct{}

func (forever) Read(p []byte) (int, error) { return copy(p, token), nil }

// Whatever a body is, it is refused or passed on under the name in it.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{body, `{"model":"","name":"x"}`, `{"Model":"a","model":5}`, `[1]`, `{"name":"\u0000"}`, `null`, ``, `{"model":"x"}{`} {
		f.Add([]byte(seed))
	}
	var passed string
	handler := relay.New(relaytest.Forward(func(_ context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
		passed = model
		return relaytest.Answer(200, "application/json", "{}"), nil
	}), nil, hclog.NewNullLogger()).Handler(native())
	f.Fuzz(func(t *testing.T, raw []byte) {
		passed = ""
		resp, err := handler(t.Context(), &edge.Request{Method: "POST", Body: raw})
		switch {
		case err != nil:
			t.Errorf("%q: %v", raw, err)
		case passed == "" && resp.Status != 400:
			t.Errorf("%q: refused with %d", raw, resp.Status)
		case passed != "" && resp.Status != 200:
			t.Errorf("%q: passed on and answered with %d", raw, resp.Status)
		}
	})
}
