package e2e

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
)

// stopLimit is how long a generation may go on after its reader has left.
const stopLimit = time.Second

// TestClientLeaves has an Ollama that serves one request at a time, and an
// endless one before the next. The next is answered only if the first one was
// stopped when its reader left.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=1"}})
	server.Create(corraltest.Endless, corraltest.EndlessModel())
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Ollama: server.URL}).AwaitModel(serveLimit, corraltest.Endless)

	plain := controlplane.As(corraltest.Inference)
	encrypted := controlplane.As(corraltest.Inference)
	encrypted.URL = "https://" + controlplane.Address
	// Who answers does not matter here; the certificate is for agents.
	encrypted.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	direct := &corraltest.Caller{T: t, URL: server.URL, HTTP: plain.HTTP}

	dashboard := object{"model": corraltest.Endless, "message": "Go on."}
	openai := object{"model": corraltest.Endless, "stream": true, "messages": []object{{"role": "user", "content": "Go on."}}}
	for _, c := range []struct {
		name   string
		caller *corraltest.Caller
		path   string
		body   object
	}{
		{"native", plain, "/api/chat", endless()},
		{"native over TLS", encrypted, "/api/chat", endless()},
		{"dashboard", plain, "/api/chat/stream", dashboard},
		{"dashboard over TLS", encrypted, "/api/chat/stream", dashboard},
		{"openai", plain, "/v1/chat/completions", openai},
		{"openai over TLS", encrypted, "/v1/chat/completions", openai},
	} {
		t.Run(c.name+" mid-stream", func(t *testing.T) {
			stream := c.caller.Stream(c.path, c.body)
			stream.AwaitLines(serveLimit, 3)
			stream.Close()
			wantFree(t, direct)
		})
		t.Run(c.name+" before the first token", func(t *testing.T) {
			before := direct.Stream("/api/chat", endless())
			before.AwaitLines(serveLimit, 3)
			c.caller.Abandon(c.path, c.body, time.Second)
			before.Close()
			wantFree(t, direct)
		})
	}
}

// wantFree wants the Ollama to have time for another request.
func wantFree(t *testing.T, direct *corraltest.Caller) {
	t.Helper()
	started := time.Now()
	short := endless()
	short["options"] = object{"num_predict": 1}
	short["stream"] = false
	if answer := direct.Post("/api/chat", short); answer.Status != 200 {
		t.Fatalf("status %d: %s", answer.Status, answer.Body)
	}
	took := time.Since(started)
	t.Logf("the next request was answered after %v", took.Round(time.Millisecond))
	if took > stopLimit {
		t.Errorf("the next request was answered after %v, so the generation went on", took)
	}
}
