package api

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

const asking = `{"message":"Hi","model":"tiny"}`

func TestChat(t *testing.T) {
	f := start(t, says(nil, hello, world, finished))
	got := f.Do(edge.Infer, "POST", "/api/chat", asking)
	if want := `{"message":"Hello world!","model":"tiny","tokens":3,"response_time":0}`; got.Status != 200 || got.Body != want || got.Header.Get(relay.HostField) != "alpha" {
		t.Errorf("%d %v %s, want %s", got.Status, got.Header, got.Body, want)
	}
}

func TestAChatSaysOnWhoseBehalfItIs(t *testing.T) {
	for _, path := range []string{"/api/chat", "/api/chat/stream"} {
		var from fleet.Origin
		f := start(t, func(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
			from = call.From
			return says(nil, finished)(ctx, model, call)
		})
		f.Do(edge.Infer, "POST", path, asking)
		if want := (fleet.Origin{KeyID: "infer", KeyName: "infer", Priority: relaytest.Priority, Dialect: "dashboard"}); from != want {
			t.Errorf("%s: %+v, want %+v", path, from, want)
		}
	}
}

// The body decides whose answer it gets.
func TestBodyDecides(t *testing.T) {
	f := start(t, says(nil, finished))
	for _, body := range []string{`{"model":"tiny","messages":[]}`, `{"messages":null}`, `{"message":"Hi","model":"tiny","messages":[{"role":"user"}]}`, `{"model":"tiny","messages":[{"role"`} {
		if got := f.Do(edge.Infer, "POST", "/api/chat", body); got.Body != "native "+body {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	if got := f.Do(edge.Infer, "POST", "/api/chat", asking); got.Status != 200 || strings.HasPrefix(got.Body, "native") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// A body that is not what the route takes is told so by the name of its field.
func TestChatBodies(t *testing.T) {
	f := start(t, says(nil, finished))
	for _, path := range []string{"/api/chat", "/api/chat/stream"} {
		for body, want := range map[string]string{
			``:                               `the body is empty; a JSON object is needed`,
			`{`:                              `the body is not valid JSON: unexpected end of JSON input`,
			`{} {}`:                          `the body is not valid JSON: invalid character '{' after top-level value`,
			`[1]`:                            `the body is a list, not a JSON object`,
			`"x"`:                            `the body is a string, not a JSON object`,
			`7`:                              `the body is a number, not a JSON object`,
			`null`:                           `the field \"message\" is missing or empty`,
			`{}`:                             `the field \"message\" is missing or empty`,
			`{"model":"tiny"}`:               `the field \"message\" is missing or empty`,
			`{"message":null}`:               `the field \"message\" is missing or empty`,
			`{"message":"Hi"}`:               `the field \"model\" is missing or empty`,
			`{"message":5,"model":"tiny"}`:   `the field \"message\" has to be a string, not a number`,
			`{"message":"Hi","model":["x"]}`: `the field \"model\" has to be a string, not a list`,
			`{"message":"Hi","model":true}`:  `the field \"model\" has to be a string, not true or false`,
			`{"message":"Hi","model":{}}`:    `the field \"model\" has to be a string, not an object`,
		} {
			got := f.Do(edge.Infer, "POST", path, body)
			if full := errorOf(fault.Invalid, want); got.Status != 400 || got.Body != full {
				t.Errorf("%s %s: %d %s, want %s", path, body, got.Status, got.Body, full)
			}
		}
		if got := f.Do(edge.Infer, "POST", path, `{"message":"Hi","model":"nope","extra":1}`); got.Status != 404 || got.Body != errorOf(fault.NotFound, `model \"nope\" not found`) {
			t.Errorf("%s: a model that nobody has: %d %s", path, got.Status, got.Body)
		}
	}
}

func TestBrokenAnswer(t *testing.T) {
	f := start(t, says(errReset, hello))
	got := f.Do(edge.Infer, "POST", "/api/chat", asking)
	if want := errorOf(fault.Unavailable, `the answer from host \"alpha\" broke off before its end`); got.Status != 503 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// One event for each piece, in the form that the client asks for; an error after
// the first is an event, before it a status.
func TestChatStream(t *testing.T) {
	one, two := `{"message":"Hello","model":"tiny","done":false}`, `{"message":" world","model":"tiny","done":false}`
	end := `{"message":"!","model":"tiny","done":true,"tokens":3,"response_time":0}`
	lost := `{"code":"unavailable","error":"the answer from host \"alpha\" broke off before its end","done":true}`
	died := `{"code":"unavailable","error":"Ollama on host \"alpha\": runner died","done":true}`
	for name, c := range map[string]struct {
		end    error
		lines  []string
		events []string
	}{
		"whole":              {nil, []string{hello, world, finished}, []string{one, two, end}},
		"at once":            {nil, []string{hello + world + finished}, []string{one, two, end}},
		"an answer of a bit": {nil, []string{finished}, []string{end}},
		"reset":              {errReset, []string{hello, world}, []string{one, two, lost}},
		"no end":             {nil, []string{hello}, []string{one, lost}},
		"Ollama's error":     {nil, []string{hello, `{"error":"runner died"}` + "\n"}, []string{one, died}},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, says(c.end, c.lines...))
			got := f.Do(edge.Infer, "POST", "/api/chat/stream", asking)
			if got.Status != 200 || got.Header.Get("Content-Type") != "text/event-stream" || got.Header.Get("X-Accel-Buffering") != "no" || got.Header.Get(relay.HostField) != "alpha" || got.Err != nil {
				t.Errorf("%d %v %v", got.Status, got.Header, got.Err)
			}
			if want := "data: " + strings.Join(c.events, "\n\ndata: ") + "\n\n"; got.Body != want {
				t.Errorf("events: got %s\nwant %s", got.Body, want)
			}
			got = f.Do(edge.Infer, "POST", "/api/chat/stream", asking, "Accept: application/x-ndjson")
			if want := strings.Join(c.events, "\n") + "\n"; got.Body != want || got.Header.Get("Content-Type") != "application/x-ndjson" {
				t.Errorf("lines: got %s\nwant %s", got.Body, want)
			}
		})
	}
	t.Run("an error before the first piece", func(t *testing.T) {
		f := start(t, says(errReset))
		if got := f.Do(edge.Infer, "POST", "/api/chat/stream", asking); got.Status != 503 || !strings.Contains(got.Body, "broke off") {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
	t.Run("nobody to ask", func(t *testing.T) {
		f := start(t, nobody)
		if got := f.Do(edge.Infer, "POST", "/api/chat/stream", asking); got.Status != 500 || strings.Contains(got.Body, "EOF") {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
}

// A client that leaves ends the generation, before the first piece and after it.
func TestLeavingEndsTheGeneration(t *testing.T) {
	for name, c := range map[string]struct{ path, piece string }{
		"stream, after a piece":       {"/api/chat/stream", hello},
		"stream, before the first":    {"/api/chat/stream", ""},
		"whole answer, after a piece": {"/api/chat", hello},
	} {
		t.Run(name, func(t *testing.T) {
			began := make(chan *relaytest.Endless, 1)
			f := start(t, func(ctx context.Context, _ string, _ fleet.Call) (*fleet.Answer, error) {
				endless := relaytest.NewEndless(ctx, c.piece)
				answer := relaytest.Stream("application/x-ndjson", nil)
				answer.Body = endless
				began <- endless
				return answer, nil
			})
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			left := make(chan struct{})
			go func() {
				defer close(left)
				if c.piece == "" || c.path == "/api/chat" {
					_ = f.Try(ctx, edge.Infer, "POST", c.path, asking)
					return
				}
				resp := f.Open(ctx, edge.Infer, "POST", c.path, asking)
				if _, err := io.ReadFull(resp.Body, make([]byte, len("data: "))); err != nil {
					t.Errorf("the first piece: %v", err)
				}
				leave()
				_ = resp.Body.Close()
			}()
			upstream := relaytest.Await(t, began, "the call")
			if c.piece == "" || c.path == "/api/chat" {
				leave()
			}
			relaytest.Await(t, upstream.Over, "the end of the generation")
			relaytest.Await(t, left, "the client")
		})
	}
}

// Whatever the body is, the answer is one of those that the contract has.
func FuzzChatBody(f *testing.F) {
	for _, seed := range []string{asking, `{"messages":[]}`, `{"message":1}`, `[`, `{"MESSAGE":"x","model":"tiny"}`, `{"message":"\ud800","model":"tiny"}`, `nul`} {
		f.Add([]byte(seed))
	}
	a := New(Options{
		Chat: fixedChat{}, Log: hclog.NewNullLogger(),
		Native: func(context.Context, *edge.Request) (*edge.Response, error) { return edge.Text(200, ""), nil },
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		if resp, err := a.chat(t.Context(), &edge.Request{Body: body}); err != nil && edge.StatusOf(err) != 400 || err == nil && resp.Status != 200 {
			t.Errorf("%q: %v", body, err)
		}
		resp, err := a.chatStream(t.Context(), &edge.Request{Body: body})
		if err != nil {
			if edge.StatusOf(err) != 400 {
				t.Errorf("%q as a stream: %v", body, err)
			}
			return
		}
		read, err := io.ReadAll(resp.Stream)
		if err != nil || strings.Count(string(read), "\n\n") != 2 || strings.Count(string(read), "data: ") < 2 {
			t.Errorf("%q: the stream is %q, %v", body, read, err)
		}
		if err := resp.Stream.Close(); err != nil {
			t.Error(err)
		}
	})
}

// fixedChat says the same to everybody.
type fixedChat struct{}

func (fixedChat) Ask(_ context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error) {
	if err := onPiece(chat.Piece{Text: "Hello"}); err != nil {
		return nil, err
	}
	return &chat.Reply{Message: "Hello", Model: q.Model, Tokens: 1}, nil
}
