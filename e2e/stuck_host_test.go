package e2e

import (
	"errors"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
)

// stuckLimit is how long a host may get requests after its Ollama has come to
// stand still with some under way.
const stuckLimit = 10 * time.Second

// attachedHost is an agent with the Ollama of somebody else that it looks after.
type attachedHost struct {
	*ollamatest.Server
	Agent *corraltest.Agent
}

// twoHosts starts two hosts, alpha and beta, with the same models, and returns
// them by their names.
func twoHosts(t *testing.T, lab *corraltest.Lab, controlplane *corraltest.ControlPlane) map[string]attachedHost {
	t.Helper()
	// Made once and copied: a digest covers the path that a model was made from.
	models := os.DirFS(lab.Models())
	hosts := map[string]attachedHost{}
	for _, name := range []string{"alpha", "beta"} {
		folder := lab.Folder("copy")
		if err := os.CopyFS(folder, models); err != nil {
			t.Fatal(err)
		}
		server := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + folder, "OLLAMA_NUM_PARALLEL=2"}})
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Ollama: server.URL})
		agent.AwaitModel(serveLimit, corraltest.Endless)
		hosts[name] = attachedHost{server, agent}
	}
	return hosts
}

// other returns the other one of the two hosts.
func other(host string) string {
	if host == "alpha" {
		return "beta"
	}
	return "alpha"
}

// short asks the model that does not end for a few tokens.
func short() object {
	body := endless()
	body["options"] = object{"num_predict": 5}
	return body
}

// TestHostThatStandsStillIsLeftOut stops the runner of one of two hosts while it
// answers, which looks as if it hung, and wants the other host to get all
// requests soon after, and this one to be back when it goes on.
func TestHostThatStandsStillIsLeftOut(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	hosts := twoHosts(t, lab, controlplane)
	caller := controlplane.As(corraltest.Inference)

	stream := caller.Stream("/api/chat", endless())
	stream.AwaitLines(serveLimit, 3)
	stuck := stream.Header.Get("Corral-Host")
	for _, pid := range hosts[stuck].RunnerPIDs() {
		signal(t, pid, syscall.SIGSTOP)
	}
	took := corraltest.Await(t, stuckLimit, "the host that stands still gets no requests", func() error {
		host, err := controlplane.API().Host(t.Context(), stuck)
		if err == nil && corraltest.Serves(host) {
			err = errors.New("it does")
		}
		return err
	})
	t.Logf("it was left out after %v", took.Round(time.Millisecond))
	host, err := controlplane.API().Host(t.Context(), stuck)
	if err != nil || host.State != client.HostDegraded || len(host.Problems) != 1 || host.Problems[0].Code != "generation_stalled" {
		t.Errorf("the host is %+v, %v", host, err)
	}
	for range 3 {
		answer := caller.Post("/api/chat", short())
		if at := answer.Header.Get("Corral-Host"); answer.Status != http.StatusOK || at != other(stuck) {
			t.Errorf("a request got %d from %q: %s", answer.Status, at, answer.Body)
		}
	}

	for _, pid := range hosts[stuck].RunnerPIDs() {
		signal(t, pid, syscall.SIGCONT)
	}
	stream.AwaitMore(serveLimit)
	controlplane.AwaitHost(stuckLimit, stuck, "is back", corraltest.Serves)
	if _, err := controlplane.API().Drain(t.Context(), other(stuck)); err != nil {
		t.Fatal(err)
	}
	answer := caller.Post("/api/chat", short())
	if at := answer.Header.Get("Corral-Host"); answer.Status != http.StatusOK || at != stuck {
		t.Errorf("when it is back, a request got %d from %q: %s", answer.Status, at, answer.Body)
	}
}
