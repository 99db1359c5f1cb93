package e2e

import (
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestAnswersNameTheirHost asks a model in every way and wants to be told who
// answered.
func TestAnswersNameTheirHost(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Name: "rack 7", Plain: true, Ollama: server.URL}).AwaitModel(serveLimit, corraltest.Hello)
	caller := controlplane.As(corraltest.Inference)
	messages := []object{{"role": "user", "content": "Hello?"}}
	for path, bodies := range map[string][]object{
		"/api/chat": {
			{"model": corraltest.Hello, "messages": messages},
			{"model": corraltest.Hello, "messages": messages, "stream": false},
			{"model": corraltest.Hello, "message": "Hello?"},
		},
		"/api/chat/stream":     {{"model": corraltest.Hello, "message": "Hello?"}},
		"/api/generate":        {{"model": corraltest.Hello, "prompt": "Hello?"}},
		"/api/show":            {{"model": corraltest.Hello}},
		"/v1/chat/completions": {{"model": corraltest.Hello, "messages": messages}, {"model": corraltest.Hello, "messages": messages, "stream": true}},
		"/v1/completions":      {{"model": corraltest.Hello, "prompt": "Hello?"}},
		"/v1/messages":         {{"model": corraltest.Hello, "messages": messages, "max_tokens": 8}},
	} {
		for _, body := range bodies {
			answer := caller.Do("POST", path, body, "Origin", "http://localhost:3000")
			if answer.Status != 200 || answer.Header.Get("Corral-Host") != "rack 7" {
				t.Errorf("%s: %d from %q: %s", path, answer.Status, answer.Header.Get("Corral-Host"), answer.Body)
			}
		}
	}
	if answer := caller.Post("/api/chat", object{"model": "nobody-has-this", "messages": messages}); answer.Status != 404 || answer.Header.Get("Corral-Host") != "" {
		t.Errorf("a model that nobody has: %d from %q", answer.Status, answer.Header.Get("Corral-Host"))
	}
}
