package e2e

import (
	"encoding/json"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// awayLimit is how long a silent agent may count as connected.
const awayLimit = 12 * time.Second

// TestStoppedOllama stops a runner and then the whole Ollama, which looks as if
// they hung, and wants both to be replaced.
func TestStoppedOllama(t *testing.T) {
	t.Parallel()
	m := startManaged(t, "--ollama-stalls-token", "2s", "--ollama-stalls-first-token", "3s", "--ollama-num-parallel", "4")
	t.Run("runner", func(t *testing.T) {
		streams := m.streams(t)
		stopped := m.only(t, runner)
		signal(t, stopped, syscall.SIGSTOP)
		wantErrors(t, streams, brokenLimit)
		m.wantServing(t, serveLimit)
		if slices.Contains(m.lab.Find(runner), stopped) {
			t.Errorf("the stopped runner, process %d, is still there", stopped)
		}
		m.wantRestart(t, "generation_stalled")
	})
	t.Run("runners before the first token", func(t *testing.T) {
		for _, pid := range m.lab.Find(runner) {
			signal(t, pid, syscall.SIGSTOP)
		}
		answer := m.caller.Post("/api/chat", object{"model": corraltest.Hello, "message": "Hello?"})
		var refusal struct{ Error, Code string }
		if err := json.Unmarshal([]byte(answer.Body), &refusal); err != nil || answer.Status < 500 || refusal.Error == "" || refusal.Code == "" {
			t.Errorf("a chat that got no token is answered with %d %s", answer.Status, answer.Body)
		}
		m.wantServing(t, serveLimit)
		m.wantRestart(t, "generation_stalled")
	})
	t.Run("serve", func(t *testing.T) {
		stopped := m.only(t, serve)
		signal(t, stopped, syscall.SIGSTOP)
		corraltest.Await(t, 40*time.Second, "the stopped Ollama is gone", corraltest.Until(func() bool {
			return !slices.Contains(m.lab.Processes(), stopped)
		}))
		m.wantServing(t, serveLimit)
		m.wantRestart(t, "api_unresponsive")
	})
}

// wantRestart wants the host's Ollama to have been restarted last for this cause.
func (m *managed) wantRestart(t *testing.T, cause string) {
	t.Helper()
	host, err := m.controlplane.API().Host(t.Context(), m.agent.Name)
	if err != nil {
		t.Fatal(err)
	}
	restarts := host.Instances[0].Restarts
	if len(restarts) == 0 || restarts[len(restarts)-1].Cause != cause {
		t.Errorf("restarts: %+v, want the last one for %s", restarts, cause)
	}
}

func TestStoppedAgent(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{})
	agent.AwaitConnected(connectLimit)
	agent.Signal(syscall.SIGSTOP)
	away := controlplane.AwaitHost(awayLimit, agent.Name, "is away", func(h *client.Host) bool { return h.State == client.HostAway })
	if away.Sample != nil {
		t.Error("a host that is away shows a sample as its present")
	}
	agent.Signal(syscall.SIGCONT)
	agent.AwaitConnected(backLimit)
}

// TestStoppedControlPlane stops it for longer than agents wait for an answer.
// Its own clock has then jumped, and that is no reason to call hosts away.
func TestStoppedControlPlane(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{})
	before := agent.AwaitConnected(connectLimit)
	controlplane.Signal(syscall.SIGSTOP)
	agent.AwaitLog(20*time.Second, "fallen silent")
	controlplane.Signal(syscall.SIGCONT)

	back := controlplane.AwaitHost(backLimit, agent.Name, "is connected anew", func(h *client.Host) bool {
		return corraltest.Reachable(h) && h.ConnectedAt.After(before.ConnectedAt)
	})
	wantNoGap(t, controlplane, agent.Name, outage)
	if now := agent.AwaitConnected(time.Second); !now.ConnectedAt.Equal(back.ConnectedAt) {
		t.Errorf("it was connected at %v and again at %v", back.ConnectedAt, now.ConnectedAt)
	}
}
