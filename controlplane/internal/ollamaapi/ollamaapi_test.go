package ollamaapi

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// routesOf returns every route, with that of chat as the dashboard has it.
func routesOf(view relaytest.Hosts, forward relaytest.Forward) []edge.Route {
	a := New(Options{View: view, Relay: relay.New(forward, nil, hclog.NewNullLogger()), Calls: relaytest.NoHosts()})
	return append(a.Routes(), edge.Route{
		Method: "POST", Path: "/api/chat", Permission: edge.Infer, Watch: true, MaxBodyBytes: relay.MaxBodyBytes, Handler: a.Chat(),
	})
}

func TestPermissions(t *testing.T) {
	relaytest.CheckPermissions(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
}

// The bodies are those of a real Ollama, but for what is ours in ps.
func TestLists(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
	for path, want := range map[string]string{
		"/api/version": `{"version":"0.17.4"}`,
		"/api/tags": `{"models":[{"name":"hf.co/acme/loop:q4","model":"hf.co/acme/loop:q4","modified_at":"2026-11-23T15:15:46.946334704Z","size":2663755,"digest":"ec7cb1860893","details":{"parent_model":"","format":"","family":"","families":null,"parameter_size":"","quantization_level":""}},` +
			`{"name":"tiny:latest","model":"tiny:latest","modified_at":"2026-11-23T15:15:45.946334704Z","size":2717611,"digest":"118367098b99","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"1.35M","quantization_level":"F16"}}]}`,
		"/api/ps": `{"models":[{"name":"tiny:latest","model":"tiny:latest","size":6730752,"digest":"118367098b99","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"1.35M","quantization_level":"F16"},"expires_at":"2026-11-23T15:20:45.946334704Z","size_vram":0,"context_length":4096,"host_id":"h1","host":"alpha","instance":"default"}]}`,
	} {
		got := s.Do(edge.Read, "GET", path, "")
		if got.Status != 200 || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %s", path, got.Status, got.Header.Get("Content-Type"))
		}
		if diff := cmp.Diff(want, got.Body); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if head := s.Do(edge.Read, "HEAD", path, ""); head.Status != 200 || head.Body != "" {
			t.Errorf("HEAD %s: %d %q", path, head.Status, head.Body)
		}
	}
}

func TestListsOfNothing(t *testing.T) {
	s := relaytest.Serve(t, routesOf(nil, relaytest.NoModels))
	for path, want := range map[string]string{"/api/tags": `{"models":[]}`, "/api/ps": `{"models":[]}`} {
		if got := s.Do(edge.Read, "GET", path, ""); got.Status != 200 || got.Body != want {
			t.Errorf("%s: %d %s, want %s", path, got.Status, got.Body, want)
		}
	}
	if got := s.Do(edge.Read, "GET", "/api/version", ""); got.Status != 503 || !strings.HasPrefix(got.Body, `{"error":"no host`) {
		t.Errorf("version: %d %s", got.Status, got.Body)
	}
}

func TestNewestVersion(t *testing.T) {
	f := func(want string, versions ...string) {
		t.Helper()
		host := fleet.HostView{State: fleet.HostDegraded}
		for _, v := range versions {
			host.Instances = append(host.Instances, fleet.Instance{Version: v})
		}
		away := fleet.HostView{State: fleet.HostAway, Instances: []fleet.Instance{{Version: "9.9.9"}}}
		a := New(Options{View: relaytest.Hosts{away, host}})
		v, err := a.version()
		if want == "" {
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%v: %v, %v", versions, v, err)
			}
			return
		}
		if diff := cmp.Diff(map[string]string{"version": want}, v); diff != "" || err != nil {
			t.Errorf("%v: %s %v", versions, diff, err)
		}
	}
	f("0.17.10", "0.9.0", "0.17.10", "0.17.4")
	f("0.18.0", "0.18.0-rc2", "0.18.0", "0.18.0-rc10")
	f("0.18.0-rc2", "0.17.9", "0.18.0-rc1", "0.18.0-rc2")
	f("1.0.0", "", "v1.0.0", "0.0.0", "x.y.z", "1.2.3.4")
	f("", "0.0.0", "", "dev")
	f("")
}

// What the real one answers to these, word by word.
func TestRefusals(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), relaytest.NoModels))
	f := func(path, body string, status int, want string) {
		t.Helper()
		got := s.Do(edge.Infer, "POST", path, body)
		if got.Status != status || got.Body != want || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s %s: %d %s, want %d %s", path, body, got.Status, got.Body, status, want)
		}
	}
	f404 := func(path string) string {
		if strings.HasPrefix(path, "/api/embed") {
			return `{"error":"model \"nope\" not found, try pulling it first"}`
		}
		return `{"error":"model 'nope' not found"}`
	}
	for path, name := range map[string]string{
		"/api/chat": "ChatRequest", "/api/generate": "GenerateRequest", "/api/show": "ShowRequest",
		"/api/embed": "EmbedRequest", "/api/embeddings": "EmbeddingRequest",
	} {
		f(path, "", 400, `{"error":"missing request body"}`)
		f(path, "{bad", 400, `{"error":"invalid character 'b' looking for beginning of object key string"}`)
		f(path, " ", 400, `{"error":"missing request body"}`)
		f(path, `{"model":"tiny"`, 400, `{"error":"unexpected EOF"}`)
		f(path, `{"model":"nope"} and more`, 404, f404(path))
		f(path, "[1]", 400, `{"error":"json: cannot unmarshal array into Go value of type api.`+name+`"}`)
		f(path, `{"model":5}`, 400, `{"error":"json: cannot unmarshal number into Go struct field `+name+`.model of type string"}`)
		f(path, `{"model":"nope"}`, 404, f404(path))
		if path == "/api/generate" {
			f(path, `{"model":""}`, 404, `{"error":"model '' not found"}`)
		} else {
			f(path, `{"model":""}`, 400, `{"error":"model is required"}`)
		}
	}
}

// A host sees the body as it was sent and a few header fields, and the mark of a
// stream where the answer will be one.
func TestWhatAHostSees(t *testing.T) {
	type seen struct {
		Model string
		Call  fleet.Call
	}
	var last seen
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(_ context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
		call.Place = nil // whoever waits for the answer looks there
		last = seen{model, call}
		return relaytest.Answer(200, "application/json; charset=utf-8", `{}`), nil
	}))
	f := func(path, body, model, sent string, streams bool) {
		t.Helper()
		s.Do(edge.Infer, "POST", path, body, "Accept: application/x-ndjson", "User-Agent: ollama/0.17.4", "X-Other: 1")
		want := seen{model, fleet.Call{Method: "POST", Path: path, Body: []byte(sent), Fields: []fleet.Field{
			{Name: "Content-Type", Value: "application/json"}, {Name: "Accept", Value: "application/x-ndjson"}, {Name: "User-Agent", Value: "ollama/0.17.4"},
		}, From: fleet.Origin{KeyID: "infer", KeyName: "infer", Priority: relaytest.Priority, Dialect: "ollama"}}}
		if streams {
			want.Call.Fields = append(want.Call.Fields, fleet.Field{Name: "Corral-Stream", Value: "1"})
		}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("%s %s: %s", path, body, diff)
		}
	}
	for _, path := range []string{"/api/chat", "/api/generate"} {
		f(path, `{"model":"tiny", "x":1}`, "tiny", `{"model":"tiny", "x":1}`, true)
		f(path, `{"model":"tiny","stream":true}`, "tiny", `{"model":"tiny","stream":true}`, true)
		f(path, `{"model":"tiny","stream":false}`, "tiny", `{"model":"tiny","stream":false}`, false)
	}
	for _, path := range []string{"/api/embed", "/api/embeddings", "/api/show"} {
		f(path, `{"model":"tiny"}`, "tiny", `{"model":"tiny"}`, false)
	}
	f("/api/show", `{"model":"","system":"","options":null,"name":"tiny:f16"}`, "tiny:f16", `{"model":"tiny:f16","options":null,"system":""}`, false)
	f("/api/chat", `{"name":"tiny"}`, "tiny", `{"model":"tiny"}`, true)
}

func TestAnswersPassThrough(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		return relaytest.Answer(503, "application/json; charset=utf-8", `{"error":"server busy"}`), nil
	}))
	got := s.Do(edge.Infer, "POST", "/api/generate", `{"model":"tiny"}`)
	if got.Status != 503 || got.Body != `{"error":"server busy"}` || got.Header.Get("Content-Length") != "23" || got.Header.Get("Server") != "" {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
}

func TestFaultsTakeOllamasForm(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		return nil, fault.New(fault.Unavailable, "the host could not be reached").On(fault.Host)
	}))
	got := s.Do(edge.Infer, "POST", "/api/generate", `{"model":"tiny"}`)
	if got.Status != 503 || got.Body != `{"error":"the host could not be reached"}` || got.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	}
}

// What a host lacks of itself is no model that the fleet lacks.
func TestAMissingInstanceIsNoMissingModel(t *testing.T) {
	s := relaytest.Serve(t, routesOf(relaytest.Fleet(), func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		return nil, fault.New(fault.NotFound, "there is no instance gpu1").On(fault.Host)
	}))
	if got := s.Do(edge.Infer, "POST", "/api/generate", `{"model":"tiny"}`); got.Status != 404 || !strings.Contains(got.Body, "instance gpu1") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestEveryRouteHasOllamasDialect(t *testing.T) {
	routes := New(Options{View: relaytest.Fleet(), Relay: relay.New(relaytest.Forward(relaytest.NoModels), nil, hclog.NewNullLogger())}).Routes()
	if i := slices.IndexFunc(routes, func(r edge.Route) bool { return r.Dialect != edge.Ollama }); i >= 0 {
		t.Errorf("%s %s has another dialect", routes[i].Method, routes[i].Path)
	}
}
