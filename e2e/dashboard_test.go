package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// The models that only this test has.
const (
	hostile   = "hostile:latest"   // says what no page may take for its own
	restarted = "restarted:latest" // on the host whose Ollama is restarted, and nowhere else
)

const hostileReply = `<script>window.taken = 1</script> <img src=x onerror="window.taken = 2"> [a link](javascript:window.taken=3)`

// TestDashboard opens the dashboard in a real browser and does what each of its
// rooms is for.
func TestDashboard(t *testing.T) {
	t.Parallel()
	installModules(t, "dashboard")
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("this test needs a browser, which `scripts/deps.sh chromium` installs: %v", err)
	}
	lab := corraltest.New(t)
	server := ollamatest.Start(t, ollamatest.Options{})
	server.Create(corraltest.Endless, corraltest.EndlessModel())
	server.Create(corraltest.Hello, tinymodel.Options{})
	server.Create(hostile, tinymodel.Options{Reply: hostileReply, Seed: 7})
	full, empty, open := lab.ControlPlane(), lab.ControlPlane(), lab.ControlPlane("--security-api-key-required=false")
	full.Agent(corraltest.AgentOptions{Name: "chatty", Plain: true, Ollama: server.URL}).AwaitModel(serveLimit, hostile)
	managed := full.Agent(corraltest.AgentOptions{
		Name: "managed", Plain: true, Args: corraltest.ManagedOllama(ollamatest.Bin(t), lab.ModelsFolder(map[string]tinymodel.Options{restarted: {Seed: 9}})),
	})
	managed.AwaitModel(serveLimit, restarted)
	gguf := written(t, map[string][]byte{"tiny.gguf": tiny(t, tinymodel.Options{Seed: 11})})[0]
	parts := written(t, gguftest.Split(tiny(t, tinymodel.Options{Seed: 12}), "halves", 2))
	npmTest(t, "dashboard", []string{
		"CORRAL_GGUF=" + gguf, "CORRAL_PARTS=" + strings.Join(parts, ","),
		"CORRAL_BROWSER=" + browser,
		"CORRAL_URL=" + full.URL(), "CORRAL_ADMIN_KEY=" + full.Key(corraltest.Admin), "CORRAL_VIEWER_KEY=" + full.Key(corraltest.Viewer),
		"CORRAL_LINK=" + full.Link(corraltest.Admin), "CORRAL_MANAGED_HOST=" + managed.Name,
		"CORRAL_MODEL=" + corraltest.Hello, "CORRAL_ENDLESS_MODEL=" + corraltest.Endless, "CORRAL_HOSTILE_MODEL=" + hostile,
		"CORRAL_EMPTY_URL=" + empty.URL(), "CORRAL_EMPTY_ADMIN_KEY=" + empty.Key(corraltest.Admin),
		"CORRAL_KEYLESS_URL=" + open.URL(),
		"CORRAL_AGENT=" + corraltest.Bin(t, "corral-agent"), "CORRAL_LAB=" + lab.Folder("by-hand"), "CORRAL_OLLAMA_URL=" + server.URL,
	})
}
