package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// reportLimit is how long an agent may take to tell of a change in its Ollama.
const reportLimit = 10 * time.Second

// TestOllamaCommandLine points Ollama's own command line at the fleet.
func TestOllamaCommandLine(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Hello, tinymodel.Options{})
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Plain: true, Ollama: server.URL})
	agent.AwaitModel(serveLimit, corraltest.Hello)

	escapes := regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`) // of its spinner
	home := lab.Folder("home")
	ollama := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), ollamatest.Bin(t), args...)
		cmd.Env = append(os.Environ(), "HOME="+home, "OLLAMA_HOST="+controlplane.URL()+"/k/"+controlplane.Key(corraltest.Inference))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("ollama %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return escapes.ReplaceAllString(string(out), "")
	}
	for _, c := range []struct{ command, want string }{
		{"list", corraltest.Hello},
		{"show " + corraltest.Hello, "llama"},
		{"run " + corraltest.Hello + " Hi", tinymodel.DefaultReply},
		{"--version", "0."},
	} {
		if out := ollama(strings.Fields(c.command)...); !strings.Contains(out, c.want) {
			t.Errorf("ollama %s prints %q, want %q in it", c.command, out, c.want)
		}
	}
	// What is in memory is told by the agent, which looks every few seconds.
	corraltest.Await(t, reportLimit, "ollama ps lists "+corraltest.Hello, corraltest.Until(func() bool {
		return strings.Contains(ollama("ps"), corraltest.Hello)
	}))
}
