package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestNodeClients has the JavaScript clients that dashboards and tools use call
// one control plane that asks for keys and one that does not, with three real
// Ollamas behind each.
func TestNodeClients(t *testing.T) {
	t.Parallel()
	installModules(t, "node")
	npmTest(t, "node", startForJavaScript(t, dashboardPort, "alpha", "beta", "gamma"))
}

// TestBrowser opens a page of another origin in a real browser and has it do
// what an existing dashboard does.
func TestBrowser(t *testing.T) {
	t.Parallel()
	installModules(t, "browser")
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("this test needs a browser, which `scripts/deps.sh chromium` installs: %v", err)
	}
	port := pagePort(t)
	npmTest(t, "browser", append(startForJavaScript(t, port, "host"), "CORRAL_BROWSER="+browser, "CORRAL_PAGE_PORT="+port))
}

// dashboardPort is where the existing dashboard is developed. Its origin is
// allowed unless a control plane is told otherwise.
const dashboardPort = "3000"

// pagePort returns dashboardPort or, where somebody has that, a free one.
func pagePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:"+dashboardPort)
	if errors.Is(err, syscall.EADDRINUSE) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startForJavaScript starts what the tests in JavaScript call, for pages from a
// port of localhost and with hosts of these names, and returns the variables
// that tell them of it.
func startForJavaScript(t *testing.T, port string, hosts ...string) []string {
	t.Helper()
	const roaming = "roaming:latest" // which one test alone asks and unloads
	lab := corraltest.New(t)
	other := corraltest.EndlessModel()
	other.Seed = 1
	// Made once and copied: a digest covers the path that a model was made from.
	models := os.DirFS(lab.ModelsFolder(map[string]tinymodel.Options{
		corraltest.Hello: {}, corraltest.Endless: corraltest.EndlessModel(), roaming: other,
	}))
	var origins []string // none, so that the default is what is tested
	if port != dashboardPort {
		origins = []string{"--server-cors-origins", "http://localhost:" + port}
	}
	withKeys := lab.ControlPlane(origins...)
	open := lab.ControlPlane(append(origins, "--security-api-key-required=false")...)
	for _, name := range hosts {
		folder := lab.Folder("copy")
		if err := os.CopyFS(folder, models); err != nil {
			t.Fatal(err)
		}
		server := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + folder}})
		for _, controlplane := range []*corraltest.ControlPlane{withKeys, open} {
			agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: true, Ollama: server.URL})
			agent.AwaitModel(serveLimit, corraltest.Hello)
		}
	}
	awaitStorage(t, withKeys.API(), storageReady, "default", "ready")
	file := written(t, map[string][]byte{"tiny.gguf": tiny(t, tinymodel.Options{Seed: 2})})[0]
	parts := written(t, gguftest.Split(tiny(t, tinymodel.Options{Seed: 3}), "parts", 3))
	return []string{
		"CORRAL_GGUF=" + file, "CORRAL_PARTS=" + strings.Join(parts, ","),
		"CORRAL_URL=" + withKeys.URL(), "CORRAL_KEY=" + withKeys.Key(corraltest.Operator), "CORRAL_HOSTS=" + strings.Join(hosts, ","),
		"CORRAL_MODEL=" + corraltest.Hello, "CORRAL_ENDLESS_MODEL=" + corraltest.Endless, "CORRAL_ROAMING_MODEL=" + roaming,
		"CORRAL_KEYLESS_URL=" + open.URL(),
	}
}

// installing is held by the test that installs modules.
var installing sync.Mutex

// installModules installs the modules of a folder, exactly as locked, unless
// they are there and no older than the lock.
func installModules(t *testing.T, folder string) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	lock, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(folder, "node_modules", ".package-lock.json")
	if have, err := os.Stat(installed); err == nil && !have.ModTime().Before(lock.ModTime()) {
		return
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v\n%s", folder, err, out)
	}
}

// npmTest runs the tests of a folder.
func npmTest(t *testing.T, folder string, env []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "npm", "test")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("npm test in %s: %v\n%s", folder, err, out)
	}
}
