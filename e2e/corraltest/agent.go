package corraltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/client"
)

// Agent is a running agent.
type Agent struct {
	*Process
	Name    string // of its host
	DataDir string

	controlplane *ControlPlane
	start        Command
}

// AgentOptions say how an agent is started. The zero value joins by a token of
// its own, over TLS, and looks after nothing: its Ollama is one that is not there.
type AgentOptions struct {
	Name    string       // of the host; "" is "host"
	Token   string       // "" makes one
	DataDir string       // "" is a new one
	Plain   bool         // connect without TLS
	Ollama  string       // URL of an Ollama to attach to; "" is one at which nobody listens
	Args    []string     // more flags, which override those before
	Env     []string     // beside the test's own environment
	On      *NetworkHost // where it runs; nil is where the test does
}

// Agent starts an agent of this control plane and returns at once.
func (c *ControlPlane) Agent(o AgentOptions) *Agent {
	l := c.lab
	l.T.Helper()
	if o.Name == "" {
		o.Name = "host"
	}
	if o.DataDir == "" {
		o.DataDir = l.Folder("agent")
	}
	if o.Token == "" {
		o.Token = c.Token()
	}
	if o.Ollama == "" {
		o.Ollama = "http://127.0.0.1:1" // a port that nobody has
	}
	scheme := "https"
	if o.Plain {
		scheme = "http"
	}
	a := &Agent{Name: o.Name, DataDir: o.DataDir, controlplane: c}
	a.start = Command{Path: Bin(l.T, "corral-agent"), Args: append([]string{
		"run", "--data-dir", o.DataDir, "--server", scheme + "://" + c.Address, "--name", o.Name, "--token", o.Token,
		"--ollama-mode", "attached", "--ollama-url", o.Ollama,
	}, o.Args...), Env: o.Env}
	if o.On != nil {
		a.start = o.On.command(a.start)
	}
	a.Process = &Process{lab: l}
	a.Restart()
	return a
}

// ManagedOllama returns flags with which an agent runs an Ollama of its own, on
// a free port and with the models in a folder.
func ManagedOllama(bin, models string) []string {
	return []string{"--ollama-mode", "managed", "--ollama-bin", bin, "--ollama-url", "http://127.0.0.1:0", "--ollama-models-dir", models}
}

// Restart starts the agent again where it was, after its end.
func (a *Agent) Restart() {
	a.lab.T.Helper()
	a.Process = a.lab.Start(a.start)
}

// AwaitConnected waits until the host's agent is connected.
func (a *Agent) AwaitConnected(limit time.Duration) *client.Host {
	a.lab.T.Helper()
	return a.controlplane.AwaitHost(limit, a.Name, "is connected", func(h *client.Host) bool { return Reachable(h) && h.Sample != nil })
}

// AwaitServing waits until the host's Ollama serves and its models are known.
func (a *Agent) AwaitServing(limit time.Duration) *client.Host {
	a.lab.T.Helper()
	return a.controlplane.AwaitHost(limit, a.Name, "serves", Serves)
}

// AwaitModel waits until the host's Ollama serves this model.
func (a *Agent) AwaitModel(limit time.Duration, model string) *client.Host {
	a.lab.T.Helper()
	return a.controlplane.AwaitHost(limit, a.Name, "serves "+model, func(h *client.Host) bool {
		return Serves(h) && slices.ContainsFunc(h.Instances[0].Models, func(m client.HostModel) bool { return m.Name == model })
	})
}

// Reachable reports whether a host's agent is connected.
func Reachable(h *client.Host) bool {
	return h.State == client.HostOnline || h.State == client.HostDegraded
}

// Serves reports whether a host's only Ollama serves and its models are known.
func Serves(h *client.Host) bool {
	return Reachable(h) && len(h.Instances) == 1 && h.Instances[0].State == "ready" && h.Instances[0].ModelsKnown
}

// notYet describes a host for the message about a wait that was in vain.
func notYet(h *client.Host) error {
	words := []string{"it is " + string(h.State)}
	for _, p := range h.Problems {
		words = append(words, p.Code+": "+p.Message)
	}
	for _, i := range h.Instances {
		words = append(words, fmt.Sprintf("%s is %s with %d models, restarted %d times", i.Name, i.State, len(i.Models), i.RestartCount))
	}
	return errors.New(strings.Join(words, "; "))
}
