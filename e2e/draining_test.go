package e2e

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

const (
	// drainGrace is how long the control plane lets answers go on once it is told
	// to end, and drainLimit when it has to have ended.
	drainGrace = 10 * time.Second
	drainLimit = drainGrace + 6*time.Second
)

// tongue is a way to ask for a stream, with what its last line has when it is
// whole, and when it was cut.
type tongue struct {
	name, path string
	body       func(model string) object
	whole, cut string
}

func tongues() []tongue {
	messages := []object{{"role": "user", "content": "Go on."}}
	return []tongue{
		{"native", "/api/chat", func(model string) object { return object{"model": model, "messages": messages} }, `"done":true`, `{"error":"`},
		{"dashboard", "/api/chat/stream", func(model string) object { return object{"model": model, "message": "Go on."} }, `"done":true`, `"error":"`},
		{"completions", "/v1/chat/completions", func(model string) object {
			return object{"model": model, "messages": messages, "stream": true}
		}, "data: [DONE]", `data: {"error":{"`},
		{"responses", "/v1/responses", func(model string) object {
			return object{"model": model, "input": "Go on.", "stream": true}
		}, `"type":"response.completed"`, `data: {"error":{"`},
		{"messages", "/v1/messages", func(model string) object {
			return object{"model": model, "messages": messages, "max_tokens": 1_000_000, "stream": true}
		}, `"type":"message_stop"`, `"type":"error"`},
	}
}

// TestControlPlaneDrains tells a control plane to end while answers are under
// way: those that end within the grace are whole, the others end with an error
// in their dialect, and nobody new is let in.
func TestControlPlaneDrains(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=8"}})
	server.Create(corraltest.Hello, tinymodel.Options{})
	server.Create(corraltest.Endless, corraltest.EndlessModel())
	way := newWay(t, listen(t), server.URL)
	controlplane := lab.ControlPlane()
	controlplane.Agent(corraltest.AgentOptions{Plain: true, Ollama: way.url()}).AwaitModel(serveLimit, corraltest.Endless)
	caller := controlplane.As(corraltest.Inference)
	// What keeps its connection finds it closed.
	keeping := *controlplane.As("")
	keeping.HTTP = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(keeping.HTTP.CloseIdleConnections)
	for _, model := range []string{corraltest.Hello, corraltest.Endless} { // have them loaded
		if answer := caller.Post("/api/generate", object{"model": model}); answer.Status != 200 {
			t.Fatalf("load %s: %d %s", model, answer.Status, answer.Body)
		}
	}

	endless, ending := map[string]*corraltest.Stream{}, map[string]*corraltest.Stream{}
	for _, d := range tongues() {
		endless[d.name] = caller.Stream(d.path, d.body(corraltest.Endless))
	}
	for _, d := range tongues() {
		endless[d.name].AwaitLines(serveLimit, 3)
	}
	before := way.posts.Load()
	way.lead(address(server.URL), time.Hour) // so that they begin when the test says
	var opening sync.WaitGroup
	var mu sync.Mutex
	for _, d := range tongues() {
		opening.Go(func() {
			stream := caller.Stream(d.path, d.body(corraltest.Hello))
			mu.Lock()
			defer mu.Unlock()
			ending[d.name] = stream
		})
	}
	corraltest.Await(t, serveLimit, "the requests have reached the Ollama", corraltest.Until(func() bool {
		return way.posts.Load() == before+int64(len(tongues()))
	}))
	if answer := keeping.Get("/readyz"); answer.Status != 200 {
		t.Fatalf("it is not ready: %d %s", answer.Status, answer.Body)
	}

	told := time.Now()
	controlplane.Signal(syscall.SIGTERM)
	corraltest.Await(t, drainGrace/2, "it says no longer to be ready", corraltest.Until(func() bool {
		return refusesConnections(t, keeping.HTTP, keeping.URL+"/readyz")
	}))
	for _, d := range tongues() {
		if !refusesConnections(t, caller.HTTP, caller.URL+d.path) {
			t.Errorf("%s: a request is taken that came after its end had begun", d.name)
		}
	}
	way.lead(address(server.URL), 0)
	if opening.Wait(); t.Failed() {
		t.FailNow()
	}
	for _, d := range tongues() {
		if last, err := ending[d.name].AwaitEnd(drainGrace); err != nil || !strings.Contains(last, d.whole) {
			t.Errorf("%s: an answer that ends within the grace ends with %q, %v", d.name, last, err)
		}
	}
	for _, d := range tongues() {
		last, err := endless[d.name].AwaitEnd(drainLimit)
		if err != nil || !strings.Contains(last, d.cut) || !strings.Contains(last, "shutting down") {
			t.Errorf("%s: an answer that outlasts the grace ends with %q, %v", d.name, last, err)
		}
	}
	if took := time.Since(told); took < drainGrace {
		t.Errorf("answers were cut after %v, within the grace", took)
	}
	if code := controlplane.Wait(drainLimit); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
	t.Logf("it ended after %v", time.Since(told).Round(time.Millisecond))
}

// refusesConnections reports whether nobody listens where a URL leads.
func refusesConnections(t *testing.T, http *http.Client, url string) bool {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = response.Body.Close()
	return false
}
