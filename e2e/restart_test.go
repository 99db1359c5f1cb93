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
	// backLimit is how long an agent may take to be back after its control plane
	// was away for a moment, and retryLimit after a longer time, in which it has
	// come to try more rarely.
	backLimit  = 10 * time.Second
	retryLimit = 40 * time.Second
	// outage is longer than any gap that an agent on a busy machine leaves
	// between two samples, which it takes each second.
	outage     = 6 * time.Second
	longestGap = 4 * time.Second
	// storedLimit is how long a count may wait to be stored.
	storedLimit = 3 * time.Second
)

// TestControlPlaneRestarts has the control plane away once for a moment and once
// for longer, and wants nothing to be lost by that.
func TestControlPlaneRestarts(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Ollama: server.URL})
	agent.AwaitModel(serveLimit, corraltest.Hello)
	began := time.Now()
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		away   time.Duration
		limit  time.Duration
	}{
		{"told to end", syscall.SIGTERM, 0, backLimit},
		{"killed", syscall.SIGKILL, outage, retryLimit},
	} {
		controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": corraltest.Hello, "message": "Hello?"})
		requests := totalRequests(t, controlplane)
		<-time.After(storedLimit)
		controlplane.Signal(c.signal)
		controlplane.Wait(serveLimit)
		<-time.After(c.away)
		controlplane.Restart()
		if now := totalRequests(t, controlplane); requests == 0 || now != requests {
			t.Errorf("%s: %d requests are counted, %d were before", c.name, now, requests)
		}
		took := corraltest.Await(t, c.limit, "the agent is back", corraltest.Until(func() bool {
			h, err := controlplane.API().Host(t.Context(), agent.Name)
			return err == nil && corraltest.Serves(h)
		}))
		t.Logf("%s: the agent was back after %v", c.name, took.Round(time.Millisecond))
	}
	wantNoGap(t, controlplane, agent.Name, time.Since(began))
}

func totalRequests(t *testing.T, controlplane *corraltest.ControlPlane) int {
	t.Helper()
	metrics, err := controlplane.API().Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(metrics.TotalRequests)
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
