package e2e

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

const (
	// faultLasts is how long a fault lasts, unless it is one of silence.
	faultLasts = 3 * time.Second
	// silenceLasts is longer than the ends of a link wait for a word of each other.
	silenceLasts = 12 * time.Second
	// recoverLimit is how long a host may take to answer again after a fault.
	recoverLimit = 30 * time.Second
)

// faultyHost is a host whose every part can be made to fail.
type faultyHost struct {
	agent  *corraltest.Agent
	ollama *ollamatest.Server
	way    *way
	garble string                  // address of the server that answers garbage in the Ollama's place
	wire   *corraltest.NetworkHost // nil where there are no namespaces
}

// TestFaults breaks one host after the other in every way, while clients stream
// from all of them, each with words of its model's own by which it knows its
// answer. CORRAL_FAULT_CLIENTS says how many clients there are, 50 unless it is
// set, CORRAL_FAULT_ROUNDS how often each fault comes, once unless it is, and
// CORRAL_FAULT_SLOW by how much a slow host is late, 3 s unless it is.
func TestFaults(t *testing.T) {
	t.Parallel()
	slowBy := duration(t, "CORRAL_FAULT_SLOW", 3*time.Second)
	all := wordings(t)
	hosts, controlplane := startFaultyHosts(t, all)
	clients := startClients(t, controlplane, number(t, "CORRAL_FAULT_CLIENTS", 50), all, patience+slowBy)
	for _, h := range hosts {
		clients.awaitComplete(t, recoverLimit, h.agent.Name)
	}
	for round := range number(t, "CORRAL_FAULT_ROUNDS", 1) {
		for i, f := range faults(slowBy) {
			h := hosts[(round+i)%len(hosts)]
			if f.needsWire && h.wire == nil {
				continue // why has been said
			}
			f.begin(t, h)
			<-time.After(f.lasts)
			f.end(t, h)
			took := clients.awaitComplete(t, recoverLimit, h.agent.Name)
			t.Logf("%s: %s for %v, and answers again %v later", h.agent.Name, f.name, f.lasts, took.Round(time.Millisecond))
		}
	}
	clients.finish()
	var asked, begun int64
	for _, h := range hosts {
		asked += h.way.chats.Load()
		begun += h.way.answers.Load()
	}
	clients.report(t, asked, begun)
}

// number returns the number in an environment variable, or another one where it
// is not set.
func number(t *testing.T, variable string, unset int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return unset
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, not a number above 0", variable, text)
	}
	return n
}

// duration returns the duration in an environment variable, or another one where
// it is not set.
func duration(t *testing.T, variable string, unset time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return unset
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s is %q, not a duration above 0", variable, text)
	}
	return d
}

// startFaultyHosts starts three hosts that have every model, each at the end of
// a wire where that can be.
func startFaultyHosts(t *testing.T, all []wording) ([]*faultyHost, *corraltest.ControlPlane) {
	t.Helper()
	lab := corraltest.New(t)
	network := lab.Network(3)
	wires := make([]*corraltest.NetworkHost, 3)
	var flags []string
	if network != nil {
		wires = network.Hosts
		flags = []string{"--listen", network.Address + ":0"}
	}
	controlplane := lab.ControlPlane(flags...)
	models := map[string]tinymodel.Options{}
	for _, w := range all {
		models[w.model] = w.options
	}
	// Each host has a copy: a model that is created twice gets two digests.
	made := lab.ModelsFolder(models)
	var hosts []*faultyHost
	for i, wire := range wires {
		folder := lab.Folder("models")
		if err := os.CopyFS(folder, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, startFaultyHost(t, controlplane, fmt.Sprintf("host-%d", i), folder, wire))
	}
	for _, h := range hosts {
		for _, w := range all {
			h.agent.AwaitModel(serveLimit, w.model)
		}
	}
	return hosts, controlplane
}

func startFaultyHost(t *testing.T, controlplane *corraltest.ControlPlane, name, models string, wire *corraltest.NetworkHost) *faultyHost {
	t.Helper()
	h := &faultyHost{
		ollama: ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=8", "OLLAMA_MODELS=" + models}}),
		wire:   wire,
	}
	var listener net.Listener
	if wire != nil {
		listener = wire.Listen()
	} else {
		listener = listen(t)
	}
	h.way = newWay(t, listener, h.ollama.URL)
	h.garble = address(newGarbler(t, h.ollama.URL))
	h.agent = controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: wire == nil, Ollama: h.way.url(), On: wire})
	return h
}

// broken is a way in which a host fails, and how it ends.
type broken struct {
	name       string
	lasts      time.Duration
	needsWire  bool
	begin, end func(*testing.T, *faultyHost)
}

// faults returns every fault. A runner that is killed is not among them: an
// Ollama may leave requests unanswered for ever afterwards, and these are
// attached, so that nobody restarts them. TestKilledInTurn has it.
func faults(slowBy time.Duration) []broken {
	heal := func(_ *testing.T, h *faultyHost) { h.way.lead(address(h.ollama.URL), 0) }
	toOllama := func(s syscall.Signal) func(*testing.T, *faultyHost) {
		return func(t *testing.T, h *faultyHost) { signal(t, -h.ollama.PID, s) }
	}
	toRunners := func(s syscall.Signal) func(*testing.T, *faultyHost) {
		return func(t *testing.T, h *faultyHost) {
			for _, pid := range h.ollama.RunnerPIDs() {
				signal(t, pid, s)
			}
		}
	}
	toAgent := func(s syscall.Signal) func(*testing.T, *faultyHost) {
		return func(_ *testing.T, h *faultyHost) { h.agent.Signal(s) }
	}
	return []broken{
		{name: "its Ollama is frozen", lasts: faultLasts, begin: toOllama(syscall.SIGSTOP), end: toOllama(syscall.SIGCONT)},
		{name: "its runners are frozen", lasts: faultLasts, begin: toRunners(syscall.SIGSTOP), end: toRunners(syscall.SIGCONT)},
		{name: "its agent is frozen", lasts: silenceLasts, begin: toAgent(syscall.SIGSTOP), end: toAgent(syscall.SIGCONT)},
		{
			name: "it is cut off by the network", lasts: silenceLasts, needsWire: true,
			begin: func(_ *testing.T, h *faultyHost) { h.wire.Cut() }, end: func(_ *testing.T, h *faultyHost) { h.wire.Join() },
		},
		{
			name: "it is slow by " + slowBy.String(), lasts: slowBy + faultLasts,
			begin: func(_ *testing.T, h *faultyHost) { h.way.lead(address(h.ollama.URL), slowBy) }, end: heal,
		},
		{
			name: "it answers garbage", lasts: faultLasts,
			begin: func(_ *testing.T, h *faultyHost) { h.way.lead(h.garble, 0) }, end: heal,
		},
		{
			name: "its Ollama is cut off", lasts: faultLasts,
			begin: func(_ *testing.T, h *faultyHost) { h.way.lead("", 0) }, end: heal,
		},
		{
			name: "its agent is killed", lasts: faultLasts,
			begin: func(_ *testing.T, h *faultyHost) { h.agent.Kill() }, end: func(_ *testing.T, h *faultyHost) { h.agent.Restart() },
		},
	}
}
