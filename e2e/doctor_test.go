package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
)

// check is one of the doctor's.
type check struct{ Name, Status, Evidence, Mend string }

// examined has the doctor look, and returns its status and its checks by name.
func examined(t *testing.T, program string, args ...string) (code int, checks map[string]check) {
	t.Helper()
	code, out := command(t, nil, program, append([]string{"doctor", "--json"}, args...)...)
	var list []check
	text, _, _ := strings.Cut(out, "\n]") // what is said on stderr comes behind
	if err := json.Unmarshal([]byte(text+"]"), &list); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checks = map[string]check{}
	for _, c := range list {
		name := c.Name
		if strings.HasPrefix(name, "control plane ") {
			name = "control plane"
		}
		checks[name] = c
	}
	return code, checks
}

// TestDoctor looks at an agent before it joins, while it runs, and when its
// control plane is gone.
func TestDoctor(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	ollama := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=2"}})
	folder := lab.Folder("host")
	where := []string{"--data-dir", folder, "--ollama-url", ollama.URL, "--server", "https://" + controlplane.Address}

	want := func(when string, checks map[string]check, name, status, evidence string) {
		t.Helper()
		if c := checks[name]; c.Status != status || !strings.Contains(c.Evidence, evidence) || (status == "ok") != (c.Mend == "") {
			t.Errorf("%s: %s is %+v, want %s with %q", when, name, c, status, evidence)
		}
	}
	code, checks := examined(t, "corral-agent", where...)
	if code != 1 {
		t.Errorf("before it joins: status %d", code)
	}
	want("before", checks, "membership", "failed", "not joined")
	if _, err := os.Stat(folder); err == nil {
		t.Error("the doctor made the data directory")
	}

	agent := controlplane.Agent(corraltest.AgentOptions{Name: "rack-1", DataDir: folder, Ollama: ollama.URL})
	connected := agent.AwaitServing(serveLimit)
	code, checks = examined(t, "corral-agent", where...)
	if code != 0 {
		t.Errorf("while it runs: status %d, %+v", code, checks)
	}
	want("running", checks, "membership", "ok", "joined as rack-1")
	want("running", checks, "agent", "ok", "is connected to https://")
	want("running", checks, "control plane", "ok", "Corral control plane authority")
	want("running", checks, "clock", "ok", "from the control plane's")
	want("running", checks, "Ollama", "ok", ollama.URL)
	want("running", checks, "requests at a time", "ok", "2 for each model")
	want("running", checks, "binding", "ok", "loopback")
	want("running", checks, "open files", "ok", "the agent may have")
	code, itsChecks := examined(t, "corral-controlplane", "--data-dir", controlplane.DataDir)
	if code != 0 {
		t.Errorf("of the control plane: status %d, %+v", code, itsChecks)
	}
	want("control plane", itsChecks, "server", "ok", "serves, version")
	want("control plane", itsChecks, "address", "ok", controlplane.Address+" answers with our certificate")
	want("control plane", itsChecks, "hosts", "ok", "of 1, 1 were heard within a minute")
	after := controlplane.AwaitHost(connectLimit, "rack-1", "is connected", corraltest.Reachable)
	if !after.ConnectedAt.Equal(connected.ConnectedAt) || hasProblem(after, "duplicate_identity") {
		t.Errorf("the doctor disturbed the agent: %+v", after)
	}

	controlplane.Stop()
	if err := os.Chmod(filepath.Join(folder, "agent.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	agent.Stop()
	code, checks = examined(t, "corral-agent", where...)
	if code != 1 {
		t.Errorf("without a control plane: status %d", code)
	}
	want("gone", checks, "control plane", "failed", "could not be reached")
	want("gone", checks, "agent", "warning", "no agent runs")
	want("gone", checks, "key", "failed", "0644")

	code, checks = examined(t, "corral-agent", append(where, "--log-level", "loud")...)
	if code != 1 || len(checks) != 1 {
		t.Errorf("with wrong settings: status %d, %+v", code, checks)
	}
	want("settings", checks, "settings", "failed", "log_level")
}

func hasProblem(h *client.Host, code string) bool {
	for _, p := range h.Problems {
		if p.Code == code {
			return true
		}
	}
	return false
}
