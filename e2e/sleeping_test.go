package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
)

// sleepLimit is how long it may take until a host's sleep, or its end, is known.
const sleepLimit = 4 * time.Second

// TestAHostThatSleeps has a host go to sleep in the middle of an answer, and wake
// after its control plane was restarted.
func TestAHostThatSleeps(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	logind := lab.Logind()
	controlplane := lab.ControlPlane("--fleet-dead-after", "2")
	caller := controlplane.As(corraltest.Inference)
	ollama := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + lab.Models()}})
	agent := controlplane.Agent(corraltest.AgentOptions{Ollama: ollama.URL, Env: logind.Env})
	agent.AwaitModel(serveLimit, corraltest.Endless)
	isAsleep := func(h *client.Host) bool { return h.State == client.HostAsleep && len(h.Problems) == 0 }

	stream := caller.Stream("/api/chat", endless())
	stream.AwaitLines(serveLimit, 3)
	logind.Say(true)
	controlplane.AwaitHost(sleepLimit, agent.Name, "is asleep", isAsleep)
	if answer := caller.Post("/api/chat", short()); answer.Status != http.StatusServiceUnavailable {
		t.Errorf("a request for a host that sleeps got %d: %s", answer.Status, answer.Body)
	}
	last, err := stream.AwaitEnd(sleepLimit)
	var broken struct{ Error string }
	if jsonErr := json.Unmarshal([]byte(last), &broken); err != nil || jsonErr != nil || broken.Error == "" {
		t.Errorf("half an answer ends with %s, %v", last, err)
	}
	ollama.AwaitIdle(sleepLimit)
	controlplane.Kill()
	controlplane.Restart()
	for began := time.Now(); time.Since(began) < 4*time.Second; <-time.After(500 * time.Millisecond) { // twice what is dead
		if h, err := controlplane.API().Host(t.Context(), agent.Name); err != nil || !isAsleep(h) {
			t.Fatalf("after a restart of the control plane the host is %+v, %v", h, err)
		}
	}

	logind.Say(false)
	agent.AwaitModel(sleepLimit, corraltest.Endless)
	if answer := caller.Post("/api/chat", short()); answer.Status != http.StatusOK {
		t.Errorf("awake again, a request got %d: %s", answer.Status, answer.Body)
	}

	logind.Say(true)
	controlplane.AwaitHost(sleepLimit, agent.Name, "is asleep", isAsleep)
	agent.Stop()
	agent.Restart()
	agent.AwaitModel(connectLimit, corraltest.Endless)
}
