package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// notedLimit is how long a request may wait to be noted.
const notedLimit = 5 * time.Second

// said is what a real Ollama said about its answer, in whichever dialect.
type said struct {
	Prompt    *int64 `json:"prompt_eval_count"`
	Generated *int64 `json:"eval_count"`
	Usage     struct {
		Prompt     *int64 `json:"prompt_tokens"`
		Completion *int64 `json:"completion_tokens"`
		Input      *int64 `json:"input_tokens"`
		Output     *int64 `json:"output_tokens"`
	} `json:"usage"`
	Response json.RawMessage `json:"response"` // an object at the end of OpenAI's responses, else a text
}

// counts returns what an object of an answer said, and nil where it said nothing.
func counts(t *testing.T, object []byte) (prompt, generated *int64) {
	t.Helper()
	var s said
	if err := json.Unmarshal(object, &s); err != nil {
		t.Fatalf("%v in %s", err, object)
	}
	switch {
	case len(s.Response) > 0 && s.Response[0] == '{':
		return counts(t, s.Response)
	case s.Usage.Input != nil:
		return s.Usage.Input, s.Usage.Output
	case s.Usage.Prompt != nil:
		return s.Usage.Prompt, s.Usage.Completion
	}
	return s.Prompt, s.Generated
}

// lastCounts returns what the last line or event of an answer that counts said.
func lastCounts(t *testing.T, body string) (prompt, generated *int64) {
	t.Helper()
	for line := range strings.Lines(body) {
		line = strings.TrimPrefix(line, "data: ")
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if p, g := counts(t, []byte(line)); p != nil {
			prompt, generated = p, g
		}
	}
	return prompt, generated
}

// TestUsageIsWhatOllamaCounted asks a real Ollama in every dialect, and wants to
// find in the control plane's books what it said about each answer.
func TestUsageIsWhatOllamaCounted(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Name: "rack 7", Ollama: server.URL}).AwaitModel(serveLimit, corraltest.Hello)
	caller := controlplane.As(corraltest.Inference)
	messages := []object{{"role": "user", "content": "Hello?"}}
	counting := object{"include_usage": true}
	asked := []struct {
		path string
		body object
	}{
		{"/api/chat", object{"model": "hello", "messages": messages}},
		{"/api/chat", object{"model": "hello", "messages": messages, "stream": false, "options": object{"num_predict": 3}}},
		{"/api/generate", object{"model": "hello", "prompt": "Hello?"}},
		{"/api/embed", object{"model": "hello", "input": "Hello?"}},
		{"/v1/chat/completions", object{"model": "hello", "messages": messages}},
		{"/v1/chat/completions", object{"model": "hello", "messages": messages, "stream": true, "stream_options": counting}},
		{"/v1/completions", object{"model": "hello", "prompt": "Hello?", "stream": true, "stream_options": counting}},
		{"/v1/responses", object{"model": "hello", "input": "Hello?"}},
		{"/v1/responses", object{"model": "hello", "input": "Hello?", "stream": true}},
		{"/v1/messages", object{"model": "hello", "messages": messages, "max_tokens": 8}},
		{"/v1/messages", object{"model": "hello", "messages": messages, "max_tokens": 8, "stream": true}},
	}
	var generatedInAll int64
	for _, a := range asked {
		answer := caller.Post(a.path, a.body)
		prompt, generated := lastCounts(t, answer.Body)
		if answer.Status != 200 || prompt == nil {
			t.Fatalf("%s: %d, and no counts in %s", a.path, answer.Status, answer.Body)
		}
		row := lastRequest(t, controlplane, answer.Header.Get("Corral-Decision"))
		if row.Route != a.path || row.Outcome != "answered" || row.Host != "rack 7" || row.Model != corraltest.Hello || row.KeyID == "" {
			t.Errorf("%s: noted as %+v", a.path, row)
		}
		if !same(row.Prompt, prompt) || !same(row.Generated, generated) {
			t.Errorf("%s: %v and %v tokens are noted; Ollama said %s", a.path, deref(row.Prompt), deref(row.Generated), answer.Body)
		}
		if (row.FirstMS != nil) != row.Streamed || row.TotalMS <= 0 {
			t.Errorf("%s: streamed %v, first token %v, total %v ms", a.path, row.Streamed, row.FirstMS, row.TotalMS)
		}
		generatedInAll += deref(row.Generated)
	}
	totals, err := controlplane.API().Usage(t.Context(), client.UsageRange{}, client.UsageByModel)
	if err != nil {
		t.Fatal(err)
	}
	if len(totals.Totals) != 1 || totals.Totals[0].Requests != int64(len(asked)) || totals.Totals[0].Generated != generatedInAll {
		t.Errorf("the totals are %+v, want %d requests and %d tokens", totals.Totals, len(asked), generatedInAll)
	}
}

// lastRequest waits until the request of a decision is noted, and returns it.
func lastRequest(t *testing.T, controlplane *corraltest.ControlPlane, decision string) (row client.UsageRequest) {
	t.Helper()
	corraltest.Await(t, notedLimit, "the request "+decision+" is noted", corraltest.Until(func() bool {
		page, err := controlplane.API().UsageRequests(t.Context(), client.UsageRange{}, "")
		if err != nil || len(page.Requests) == 0 || decision == "" {
			return false
		}
		row = page.Requests[0]
		return row.ID == decision
	}))
	return row
}

func same(a, b *int64) bool { return (a == nil) == (b == nil) && deref(a) == deref(b) }

func deref(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// TestLimitsHoldFromTheNextRequestOn changes the limit of tokens while the server
// runs, and wants every dialect to be held to it.
func TestLimitsHoldFromTheNextRequestOn(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Endless, corraltest.EndlessModel())
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Ollama: server.URL}).AwaitModel(serveLimit, corraltest.Endless)
	caller, admin := controlplane.As(corraltest.Inference), controlplane.As(corraltest.Admin)
	messages := []object{{"role": "user", "content": "Hello?"}}
	for _, most := range []int64{4, 7} {
		if answer := admin.Post("/api/config", object{"models": object{"max_tokens": most}}); answer.Status != 200 {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
		for path, bodies := range map[string][]object{
			"/api/chat": {
				{"model": "endless", "messages": messages, "stream": false},
				{"model": "endless", "messages": messages, "stream": false, "options": object{"num_predict": -1}},
			},
			"/api/generate":        {{"model": "endless", "prompt": "Hello?", "options": object{"num_predict": 100}}},
			"/v1/chat/completions": {{"model": "endless", "messages": messages, "max_completion_tokens": 100}},
			"/v1/completions":      {{"model": "endless", "prompt": "Hello?"}},
			"/v1/responses":        {{"model": "endless", "input": "Hello?", "max_output_tokens": 100}},
			"/v1/messages":         {{"model": "endless", "messages": messages, "max_tokens": 100}},
		} {
			for _, body := range bodies {
				answer := caller.Post(path, body)
				if _, generated := lastCounts(t, answer.Body); answer.Status != 200 || deref(generated) != most {
					t.Errorf("%s: %d tokens, want %d: %d %s", path, deref(generated), most, answer.Status, answer.Body)
				}
			}
		}
		var whole struct{ Tokens int64 }
		caller.Post("/api/chat", object{"model": "endless", "message": "Hello?"}).JSON(&whole)
		if whole.Tokens != most {
			t.Errorf("the dashboard's chat: %d tokens, want %d", whole.Tokens, most)
		}
	}
}
