package openaiapi

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

func routesOf(view relaytest.Hosts, forward relaytest.Forward) []edge.Route {
	return New(Options{View: view, Relay: relay.New(forward, nil, hclog.NewNullLogger())}).Routes()
}

func TestPermissions(t *testing.T) {
	relaytest.CheckPermissions(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
}

// The bodies are those of a real Ollama.
func TestModels(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
	f := func(path string, status int, want string) {
		t.Helper()
		if got := s.Do(edge.Read, "GET", path, ""); got.Status != status || got.Body != want || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %s, want %d %s", path, got.Status, got.Header.Get("Content-Type"), got.Body, status, want)
		}
	}
	f("/v1/models", 200, `{"object":"list","data":[`+
		`{"id":"hf.co/acme/loop:q4","object":"model","created":1795446946,"owned_by":"acme"},`+
		`{"id":"tiny:latest","object":"model","created":1795446945,"owned_by":"library"}]}`)
	f("/v1/models/tiny", 200, `{"id":"tiny","object":"model","created":1795446945,"owned_by":"library"}`)
	f("/v1/models/Library/TINY:latest", 200, `{"id":"Library/TINY:latest","object":"model","created":1795446945,"owned_by":"library"}`)
	f("/v1/models/tiny@sha256:118367098b99", 200, `{"id":"tiny@sha256:118367098b99","object":"model","created":1795446945,"owned_by":"library"}`)
	f("/v1/models/hf.co/acme/loop:q4", 200, `{"id":"hf.co/acme/loop:q4","object":"model","created":1795446946,"owned_by":"acme"}`)
	f("/v1/models/hf.co%2Facme%2Floop:q4", 200, `{"id":"hf.co/acme/loop:q4","object":"model","created":1795446946,"owned_by":"acme"}`)
	id := fleet.ModelID("tiny")
	f("/v1/models/"+id, 200, `{"id":"`+id+`","object":"model","created":1795446945,"owned_by":"library"}`)
	f("/v1/models/nope", 404, `{"error":{"message":"model 'nope' not found","type":"api_error","param":null,"code":null}}`)
	f("/v1/models/tiny@sha256:other", 404, `{"error":{"message":"model 'tiny@sha256:other' not found","type":"api_error","param":null,"code":null}}`)

	empty := relaytest.Serve(t, routesOf(nil, relaytest.NoModels))
	if got := empty.Do(edge.Read, "GET", "/v1/models", ""); got.Body != `{"object":"list","data":[]}` {
		t.Errorf("no models: %s", got.Body)
	}
}

// aliased is a fleet in which tiny has another name.
type aliased struct{}

func (aliased) Hosts() []fleet.HostView { return relaytest.Fleet() }

func (aliased) Aliases() fleet.Aliases {
	return fleet.Aliases{"prod:latest": {Name: "Prod:latest", Model: "tiny:latest"}}
}

func TestModelsByTheirAliases(t *testing.T) {
	routes := New(Options{View: aliased{}, Relay: relay.New(relaytest.Forward(relaytest.NoModels), nil, hclog.NewNullLogger())}).Routes()
	s := relaytest.Serve(t, routes)
	if got := s.Do(edge.Read, "GET", "/v1/models", ""); !strings.Contains(got.Body, `{"id":"Prod:latest","object":"model","created":1795446945,"owned_by":"library"},{"id":"tiny:latest",`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := s.Do(edge.Read, "GET", "/v1/models/prod", ""); got.Body != `{"id":"prod","object":"model","created":1795446945,"owned_by":"library"}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// What the real one answers to these, word by word.
func TestRefusals(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
	f := func(path, body string, status int, kind, message string) {
		t.Helper()
		got := s.Do(edge.Infer, "POST", path, body)
		want := `{"error":{"message":"` + message + `","type":"` + kind + `","param":null,"code":null}}`
		wantType := "application/json"
		if kind == "invalid_request_error" {
			wantType += "; charset=utf-8"
		}
		if got.Status != status || got.Body != want || got.Header.Get("Content-Type") != wantType {
			t.Errorf("%s %s: %d %s %s, want %d %s", path, body, got.Status, got.Header.Get("Content-Type"), got.Body, status, want)
		}
	}
	for path, name := range map[string]string{
		"/v1/chat/completions": "ChatCompletionRequest", "/v1/completions": "CompletionRequest",
		"/v1/embeddings": "EmbedRequest", "/v1/responses": "ResponsesRequest",
	} {
		f(path, "", 400, "invalid_request_error", "EOF")
		f(path, "{bad", 400, "invalid_request_error", "invalid character 'b' looking for beginning of object key string")
		f(path, "[1]", 400, "invalid_request_error", "json: cannot unmarshal array into Go value of type openai."+name)
		f(path, `{"model":5}`, 400, "invalid_request_error", "json: cannot unmarshal number into Go struct field "+name+".model of type string")
		switch path {
		case "/v1/embeddings":
			f(path, `{"model":"nope","stream":"of no interest"}`, 404, "api_error", `model \"nope\" not found, try pulling it first`)
		default:
			f(path, `{"model":"nope"}`, 404, "api_error", "model 'nope' not found")
		}
		switch path {
		case "/v1/completions":
			f(path, `{"model":""}`, 404, "api_error", "model '' not found")
		default:
			f(path, `{"model":"","name":"tiny"}`, 400, "api_error", "model is required")
		}
	}
}

func TestAnthropicsRefusals(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
	id := regexp.MustCompile(`"req_[a-z2-7]{24}"`)
	for body, want := range map[string]string{
		`{"model":"nope"}`: `{"message":"model 'nope' not found","type":"not_found_error"}`,
		`{"model":""}`:     `{"message":"model is required","type":"invalid_request_error"}`,
		`[1]`:              `{"message":"json: cannot unmarshal array into Go value of type anthropic.MessagesRequest","type":"invalid_request_error"}`,
	} {
		got := s.Do(edge.Infer, "POST", "/v1/messages", body)
		whole := `{"type":"error","error":` + want + `,"request_id":ID}`
		if text := id.ReplaceAllString(got.Body, "ID"); text != whole || got.Status != 404 && got.Status != 400 {
			t.Errorf("%s: %d %s, want %s", body, got.Status, got.Body, whole)
		}
	}
}

// Only what asks for a stream is marked as one.
func TestStreamsAreMarked(t *testing.T) {
	var marked bool
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(_ context.Context, _ string, call fleet.Call) (*fleet.Answer, error) {
		marked = false
		for _, f := range call.Fields {
			marked = marked || f.Name == "Corral-Stream"
		}
		return relaytest.Answer(200, "application/json", "{}"), nil
	}))
	for _, e := range endpoints() {
		for body, want := range map[string]bool{
			`{"model":"x"}`: false, `{"model":"x","stream":false}`: false, `{"model":"x","stream":true}`: e.Path != "/v1/embeddings",
		} {
			if got := s.Do(edge.Infer, "POST", e.Path, body); got.Status != 200 || marked != want {
				t.Errorf("%s %s: %d, marked %t", e.Path, body, got.Status, marked)
			}
		}
	}
}

// Each endpoint knows its own end, and tells of one that did not come.
func TestEndings(t *testing.T) {
	for path, end := range map[string]string{
		"/v1/chat/completions": "data: [DONE]\n\n", "/v1/completions": "data: [DONE]\n\n",
		"/v1/responses": "event: response.completed\ndata: {}\n\n", "/v1/messages": "event: message_stop\ndata: {}\n\n",
	} {
		for _, stream := range []string{"data: {}\n\n" + end, "data: {}\n\n"} {
			s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
				return relaytest.Stream("text/event-stream", nil, stream), nil
			}))
			got := s.Do(edge.Infer, "POST", path, `{"model":"x","stream":true}`).Body
			if told, whole := strings.Contains(got, "broke off"), strings.HasSuffix(stream, end); told == whole {
				t.Errorf("%s: %q became %q", path, stream, got)
			}
		}
	}
}

func TestFaultsTakeTheDialect(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		return nil, fault.New(fault.Unavailable, "no host can").On(fault.Host)
	}))
	for path, want := range map[string]string{
		"/v1/completions": `{"error":{"code":"unavailable","message":"no host can","param":null,"type":"api_error"}}`,
		"/v1/messages":    `{"error":{"message":"no host can","type":"api_error"},"type":"error"}`,
	} {
		if got := s.Do(edge.Infer, "POST", path, `{"model":"x"}`); got.Status != 503 || got.Body != want {
			t.Errorf("%s: %d %s, want %s", path, got.Status, got.Body, want)
		}
	}
}
