package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestABreakerIsShownAndReset has a host that answers garbage, and an operator
// who looks why nobody is sent there any more.
func TestABreakerIsShownAndReset(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane("--routing-breaker-failures=2", "--routing-breaker-pause=600")
	controlplane.Agent(corraltest.AgentOptions{Name: "gpu-1", Ollama: newGarbler(t, server.URL)}).AwaitModel(serveLimit, corraltest.Hello)
	caller, api := controlplane.As(corraltest.Inference), controlplane.API()
	question := object{"model": "hello", "messages": []object{{"role": "user", "content": "Hello?"}}}
	open := func() (open []client.Breaker) {
		t.Helper()
		all, err := api.Breakers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			if b.State != client.BreakerClosed {
				open = append(open, b)
			}
		}
		return open
	}
	corraltest.Await(t, serveLimit, "a breaker is open", corraltest.Until(func() bool {
		caller.Abandon("/api/chat", question, serveLimit)
		return len(open()) > 0
	}))
	for _, b := range open() {
		if b.Host != "gpu-1" || b.State != client.BreakerOpen || b.FailuresInARow < 2 || b.LastError == "" || b.NextProbeAt.Sub(b.Since) < 5*time.Minute {
			t.Errorf("open is %+v", b)
		}
	}
	if answer := caller.Post("/api/chat", question); answer.Status != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("while nobody is left: %d %v %s", answer.Status, answer.Header, answer.Body)
	}
	corral := func(words ...string) string {
		t.Helper()
		return corraltest.Output(t, corraltest.Bin(t, "corral"), append(words, "--server", controlplane.URL(), "--key", controlplane.Key(corraltest.Operator))...)
	}
	if list := corral("breaker", "list"); !strings.Contains(list, "gpu-1") || !strings.Contains(list, " open ") {
		t.Errorf("listed:\n%s", list)
	}
	viewer, err := client.New(controlplane.URL(), controlplane.Key(corraltest.Viewer), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := viewer.ResetBreakers(t.Context(), client.BreakerFilter{}); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("a viewer resets them: %v", err)
	}
	if said := corral("breaker", "reset", "--host", "gpu-1"); !strings.HasSuffix(said, " closed\n") {
		t.Errorf("said is %q", said)
	}
	if left := open(); len(left) > 0 {
		t.Errorf("after the reset %+v are open", left)
	}
}
