package e2e

import (
	"encoding/json"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// leaveLimit is how long a control plane may take to know that an agent is
// leaving, and an agent that has nothing left to wait for to end.
const leaveLimit = 4 * time.Second

// isLeaving reports whether a host's agent said that it is about to end.
func isLeaving(h *client.Host) bool {
	return len(h.Problems) == 1 && h.Problems[0].Code == "leaving"
}

// TestAgentThatIsToldToEndLetsAnswersEnd tells one of two agents to end while an
// answer streams through it, and wants the answer to be whole and all that is
// asked meanwhile to be answered by the other host.
func TestAgentThatIsToldToEndLetsAnswersEnd(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	hosts := twoHosts(t, lab, controlplane)
	caller := controlplane.As(corraltest.Inference)

	question := endless()
	question["options"] = object{"num_predict": 2000}
	stream := caller.Stream("/api/chat", question)
	stream.AwaitLines(serveLimit, 3)
	at := stream.Header.Get("Corral-Host")
	for _, pid := range hosts[at].RunnerPIDs() { // so that it is not at its end too soon
		signal(t, pid, syscall.SIGSTOP)
	}
	hosts[at].Agent.Signal(syscall.SIGTERM)
	controlplane.AwaitHost(leaveLimit, at, "is leaving", isLeaving)
	for range 3 {
		answer := caller.Post("/api/chat", short())
		if by := answer.Header.Get("Corral-Host"); answer.Status != http.StatusOK || by != other(at) {
			t.Errorf("a request got %d from %q: %s", answer.Status, by, answer.Body)
		}
	}
	if stream.Ended() || hosts[at].Agent.Ended() {
		t.Fatalf("the answer has ended: %v, the agent: %v", stream.Ended(), hosts[at].Agent.Ended())
	}
	for _, pid := range hosts[at].RunnerPIDs() {
		signal(t, pid, syscall.SIGCONT)
	}
	last, err := stream.AwaitEnd(serveLimit)
	var end struct {
		Done      bool
		EvalCount int `json:"eval_count"`
	}
	if jsonErr := json.Unmarshal([]byte(last), &end); err != nil || jsonErr != nil || !end.Done || end.EvalCount != 2000 {
		t.Errorf("the answer ends with %s, %v", last, err)
	}
	if code := hosts[at].Agent.Wait(leaveLimit); code != 0 {
		t.Errorf("the agent ended with status %d", code)
	}
	controlplane.AwaitHost(leaveLimit, at, "is stopped", func(h *client.Host) bool { return h.State == client.HostStopped && len(h.Problems) == 0 })
	direct := &corraltest.Caller{T: t, URL: hosts[at].URL, HTTP: corraltest.Plain()}
	if answer := direct.Get("/api/version"); answer.Status != http.StatusOK {
		t.Errorf("its Ollama, which somebody else runs, answers %d", answer.Status)
	}
}

// TestAgentEndsThoughAnswersDoNot tells agents to end while an answer streams that
// does not end by itself.
func TestAgentEndsThoughAnswersDoNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		grace string
		again bool // it is told a second time
		code  int
	}{
		{"when their grace is over", "4s", false, 0},
		{"when it is told again", "10m", true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := startManaged(t, "--drain-grace", c.grace)
			stream := m.caller.Stream("/api/chat", endless())
			stream.AwaitLines(serveLimit, 3)
			m.agent.Signal(syscall.SIGTERM)
			m.controlplane.AwaitHost(leaveLimit, m.agent.Name, "is leaving", isLeaving)
			stream.AwaitMore(serveLimit)
			if len(m.lab.Find(serve)) != 1 {
				t.Error("its Ollama ended before the answers did")
			}
			if answer := m.caller.Post("/api/chat", short()); answer.Status != http.StatusServiceUnavailable {
				t.Errorf("a request that no other host can take got %d: %s", answer.Status, answer.Body)
			}
			if c.again {
				<-time.After(time.Second) // within one it counts as the same signal
				m.agent.Signal(syscall.SIGTERM)
			}
			if code := m.agent.Wait(serveLimit); code != c.code {
				t.Errorf("the agent ended with status %d, want %d", code, c.code)
			}
			last, err := stream.AwaitEnd(leaveLimit)
			var broken struct{ Error string }
			if jsonErr := json.Unmarshal([]byte(last), &broken); err != nil || jsonErr != nil || broken.Error == "" {
				t.Errorf("the answer that was broken off ends with %s, %v", last, err)
			}
			corraltest.Await(t, leaveLimit, "nothing of its Ollama is left", corraltest.Until(func() bool {
				return len(m.lab.Find("ollama")) == 0
			}))
		})
	}
}
