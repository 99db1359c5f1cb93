package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

const (
	// backLimit is how long an agent may take to be back after its control plane is.
	backLimit = 10 * time.Second
	// outage is longer than any gap that an agent on a busy machine leaves
	// between two samples, which it takes each second.
	outage     = 6 * time.Second
	longestGap = 4 * time.Second
)

// TestControlPlaneRestarts has it away for a while, once told to end and once
// killed, and wants nothing to be lost by that.
func TestControlPlaneRestarts(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Ollama: server.URL})
	agent.AwaitModel(serveLimit, corraltest.Hello)
	hello := object{"model": corraltest.Hello, "message": "Hello?"}

	controlplane.As(corraltest.Admin).Post("/api/chat", hello)
	for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		requests := requestsWithin(t, controlplane, 3*time.Second)
		controlplane.Signal(signal)
		controlplane.Wait(serveLimit)
		<-time.After(outage)
		controlplane.Restart()
		took := corraltest.Await(t, backLimit, "the agent is back", corraltest.Until(func() bool {
			h, err := controlplane.API().Host(t.Context(), agent.Name)
			return err == nil && corraltest.Serves(h)
		}))
		t.Logf("after %v the agent was back within %v", signal, took)
		if answer := controlplane.As(corraltest.Admin).Post("/api/chat", hello); answer.Status != 200 {
			t.Errorf("a chat after %v: %d %s", signal, answer.Status, answer.Body)
		}
		if now := totalRequests(t, controlplane); now < requests+1 {
			t.Errorf("after %v %d requests are counted, %d were before and one was since", signal, now, requests)
		}
		wantNoGap(t, controlplane, agent.Name, time.Duration(i+1)*outage)
	}
}

func totalRequests(t *testing.T, controlplane *corraltest.ControlPlane) int {
	t.Helper()
	metrics, err := controlplane.API().Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(metrics.TotalRequests)
}

// requestsWithin returns the count of requests when it has been stored, which
// is done together with others a little later.
func requestsWithin(t *testing.T, controlplane *corraltest.ControlPlane, stored time.Duration) int {
	t.Helper()
	n := totalRequests(t, controlplane)
	if n == 0 {
		t.Error("no request is counted")
	}
	<-time.After(stored)
	return n
}

// wantNoGap waits until what was taken meanwhile has arrived and wants the
// history, which is at least this long, to have it all, each once.
func wantNoGap(t *testing.T, controlplane *corraltest.ControlPlane, host string, atLeast time.Duration) {
	t.Helper()
	began := time.Now()
	var samples []client.Sample
	corraltest.Await(t, backLimit, "the history reaches the present", corraltest.Until(func() bool {
		samples = history(t, controlplane, host)
		return len(samples) > 0 && samples[len(samples)-1].TakenAt.After(began)
	}))
	if long := samples[len(samples)-1].TakenAt.Sub(samples[0].TakenAt); long < atLeast {
		t.Errorf("the history is %v long, want at least %v", long, atLeast)
	}
	for i := 1; i < len(samples); i++ {
		if gap := samples[i].TakenAt.Sub(samples[i-1].TakenAt); gap > longestGap || gap <= 0 {
			t.Errorf("between two samples, of %v and later, are %v", samples[i-1].TakenAt, gap)
		}
	}
}
