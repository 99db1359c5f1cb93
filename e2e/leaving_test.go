package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
)

// stopLimit is how long a generation may go on after its reader has left.
const stopLimit = time.Second

// TestClientLeaves has readers of endless generations leave and wants the runner
// to stop computing. Whether it computes is read from its processor time: an
// Ollama whose reader has left does not always answer the next request, even
// where nothing stands between the two. So each case has a model of its own too,
// which gets a runner of its own.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=1"}})
	controlplane := lab.ControlPlane()
	plain := controlplane.As(corraltest.Inference)
	encrypted := controlplane.As(corraltest.Inference)
	encrypted.URL = "https://" + controlplane.Address
	// Who answers does not matter here; the certificate is for agents.
	encrypted.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	direct := &corraltest.Caller{T: t, URL: server.URL, HTTP: plain.HTTP}

	turn := []object{{"role": "user", "content": "Go on."}}
	native := func(model string) object { return object{"model": model, "messages": turn} }
	dashboard := func(model string) object { return object{"model": model, "message": "Go on."} }
	openai := func(model string) object { return object{"model": model, "stream": true, "messages": turn} }
	cases := []struct {
		name   string
		caller *corraltest.Caller
		path   string
		body   func(model string) object
	}{
		{"native", plain, "/api/chat", native},
		{"native over TLS", encrypted, "/api/chat", native},
		{"dashboard", plain, "/api/chat/stream", dashboard},
		{"dashboard over TLS", encrypted, "/api/chat/stream", dashboard},
		{"openai", plain, "/v1/chat/completions", openai},
		{"openai over TLS", encrypted, "/v1/chat/completions", openai},
	}
	models := make([]string, 2*len(cases))
	for i := range models {
		o := corraltest.EndlessModel()
		o.Seed = uint64(i + 1)
		models[i] = fmt.Sprintf("endless-%d:latest", i)
		server.Create(models[i], o)
	}
	controlplane.Agent(corraltest.AgentOptions{Ollama: server.URL}).AwaitModel(serveLimit, models[len(models)-1])
	for i, c := range cases {
		t.Run(c.name+" mid-stream", func(t *testing.T) {
			stream := c.caller.Stream(c.path, c.body(models[2*i]))
			stream.AwaitLines(serveLimit, 3)
			stream.Close()
			server.AwaitIdle(stopLimit)
		})
		t.Run(c.name+" before the first token", func(t *testing.T) {
			before := direct.Stream("/api/chat", native(models[2*i+1]))
			before.AwaitLines(serveLimit, 3)
			c.caller.Abandon(c.path, c.body(models[2*i+1]), time.Second)
			before.Close()
			server.AwaitIdle(stopLimit)
		})
	}
}
