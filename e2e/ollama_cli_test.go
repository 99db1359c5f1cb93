package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
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

// ollamaCLI is Ollama's own command line, pointed at a control plane.
type ollamaCLI struct {
	t    *testing.T
	home string
	host string
}

func newOllamaCLI(t *testing.T, lab *corraltest.Lab, controlplane *corraltest.ControlPlane, role string) *ollamaCLI {
	t.Helper()
	return &ollamaCLI{t: t, home: lab.Folder("home"), host: controlplane.URL() + "/k/" + controlplane.Key(role)}
}

// try runs a command and returns what it printed, without what moves on a screen.
func (c *ollamaCLI) try(args ...string) (string, error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), ollamatest.Bin(c.t), args...)
	cmd.Env = append(os.Environ(), "HOME="+c.home, "OLLAMA_HOST="+c.host)
	out, err := cmd.CombinedOutput()
	return regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`).ReplaceAllString(string(out), ""), err
}

// run runs a command that is to succeed.
func (c *ollamaCLI) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Errorf("ollama %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// wants runs a command and wants something in what it prints.
func (c *ollamaCLI) wants(command, want string) {
	c.t.Helper()
	if out := c.run(strings.Fields(command)...); !strings.Contains(out, want) {
		c.t.Errorf("ollama %s prints %q, want %q in it", command, out, want)
	}
}

// lists reports whether a command prints a model's name.
func (c *ollamaCLI) lists(command, model string) bool {
	c.t.Helper()
	return strings.Contains(c.run(command), model)
}

// refuses runs a command that is to fail and say why.
func (c *ollamaCLI) refuses(command, want string) {
	c.t.Helper()
	if out, err := c.try(strings.Fields(command)...); err == nil || !strings.Contains(out, want) {
		c.t.Errorf("ollama %s: %v, prints %q, want an error with %q", command, err, out, want)
	}
}

// TestOllamaCommandLine points Ollama's own command line at a fleet of three.
func TestOllamaCommandLine(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	for _, name := range []string{"alpha", "beta", "gamma"} {
		server := ollamatest.Start(t, ollamatest.Options{})
		server.Create(corraltest.Hello, tinymodel.Options{})
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: true, Ollama: server.URL})
		agent.AwaitModel(serveLimit, corraltest.Hello)
	}
	asking := newOllamaCLI(t, lab, controlplane, corraltest.Inference)
	asking.wants("list", corraltest.Hello)
	asking.wants("show "+corraltest.Hello, "llama")
	asking.wants("run "+corraltest.Hello+" Hi", tinymodel.DefaultReply)
	asking.wants("--version", "0.")
	// What is in memory is told by the agent, which looks every few seconds.
	corraltest.Await(t, reportLimit, "ollama ps lists "+corraltest.Hello, corraltest.Until(func() bool {
		return asking.lists("ps", corraltest.Hello)
	}))
	asking.run("stop", "hello")
	corraltest.Await(t, reportLimit, "ollama ps lists nothing after ollama stop", corraltest.Until(func() bool {
		return !asking.lists("ps", corraltest.Hello)
	}))
	asking.refuses("stop nope", "couldn't find model")
	asking.refuses("cp hello mine", "may not")

	operating := newOllamaCLI(t, lab, controlplane, corraltest.Operator)
	operating.wants("cp hello Team/Copy", "copied")
	if !operating.lists("list", "Team/Copy:latest") {
		t.Error("ollama list does not have what ollama cp just made")
	}
	hosts, err := controlplane.API().Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range hosts {
		if n := len(host.Instances[0].Models); n != 2 {
			t.Errorf("host %s has %d models after ollama cp, want 2", host.Name, n)
		}
	}
	operating.wants("run team/copy Hi", tinymodel.DefaultReply)
	operating.wants("rm team/COPY", "deleted")
	if operating.lists("list", "Team/Copy") {
		t.Error("ollama list still has what ollama rm just removed")
	}
	operating.refuses("rm team/copy", "not found")
	operating.refuses("cp nope other", "not found")
	operating.refuses("pull a/b/c/d:e:f", "invalid model name")
}

// TestOllamaCreatesOnTheOnlyHost has the command line make a model, whose file
// goes through the control plane.
func TestOllamaCreatesOnTheOnlyHost(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Plain: true, Ollama: ollamatest.Start(t, ollamatest.Options{}).URL})
	agent.AwaitServing(serveLimit)
	folder := lab.Folder("files")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(folder, "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tinymodel.Write(file, tinymodel.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	recipe := filepath.Join(folder, "Modelfile")
	if err := os.WriteFile(recipe, []byte("FROM ./model.gguf\nPARAMETER num_thread 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cli := newOllamaCLI(t, lab, controlplane, corraltest.Operator)
	cli.wants("create made -f "+recipe, "success")
	agent.AwaitModel(reportLimit, "made:latest")
	cli.wants("run made Hi", tinymodel.DefaultReply)
}
