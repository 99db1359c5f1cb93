package e2e

import (
	"fmt"
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
	// faultLasts is how long each fault lasts.
	faultLasts = 3 * time.Second
	// slowBy is how long each piece of a slow host's answers is held back.
	slowBy = 2 * time.Second
	// recoverLimit is how long a host may take to answer again after a fault.
	recoverLimit = 30 * time.Second
)

// faultyHost is a host whose every part can be made to fail.
type faultyHost struct {
	agent  *corraltest.Agent
	ollama *ollamatest.Server
	way    *way
	garble string // address of the server that answers garbage in the Ollama's place
}

// TestFaults breaks one host after the other in every way, while clients stream
// from all of them, each with a sentence of its model's own by which it knows
// its answer. CORRAL_FAULT_CLIENTS says how many clients there are, 50 unless it
// is set, and CORRAL_FAULT_ROUNDS how often each fault comes, once unless it is.
func TestFaults(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	all := sentences(t)
	models := map[string]tinymodel.Options{}
	for _, s := range all {
		models[s.model] = s.options()
	}
	// Each host has a copy: a model that is created twice gets two digests.
	made := lab.ModelsFolder(models)
	var hosts []*faultyHost
	for i := range 3 {
		folder := lab.Folder("models")
		if err := os.CopyFS(folder, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, startFaultyHost(t, controlplane, fmt.Sprintf("host-%d", i), folder))
	}
	for _, h := range hosts {
		for _, s := range all {
			h.agent.AwaitModel(serveLimit, s.model)
		}
	}
	clients := startClients(t, controlplane, number(t, "CORRAL_FAULT_CLIENTS", 50), all)
	for _, h := range hosts {
		clients.awaitComplete(t, recoverLimit, h.agent.Name)
	}
	for round := range number(t, "CORRAL_FAULT_ROUNDS", 1) {
		for i, f := range faults() {
			h := hosts[(round+i)%len(hosts)]
			started := time.Now()
			f.begin(t, h)
			<-time.After(faultLasts)
			f.end(t, h)
			clients.awaitComplete(t, recoverLimit, h.agent.Name)
			t.Logf("%s: %s, and answers again %v later", h.agent.Name, f.name, (time.Since(started) - faultLasts).Round(time.Millisecond))
		}
	}
	clients.finish()
	var chats int64
	for _, h := range hosts {
		chats += h.way.chats.Load()
	}
	clients.report(t, chats)
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

func startFaultyHost(t *testing.T, controlplane *corraltest.ControlPlane, name, models string) *faultyHost {
	t.Helper()
	h := &faultyHost{ollama: ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=8", "OLLAMA_MODELS=" + models}})}
	h.way = newWay(t, h.ollama.URL)
	h.garble = address(newGarbler(t, h.ollama.URL))
	h.agent = controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: true, Ollama: h.way.url()})
	return h
}

// broken is a way in which a host fails, and how it ends.
type broken struct {
	name       string
	begin, end func(*testing.T, *faultyHost)
}

// faults returns every fault. A runner that is killed is not among them: an
// Ollama may leave requests unanswered for ever afterwards, and these are
// attached, so that nobody restarts them. TestKilledInTurn has it.
func faults() []broken {
	heal := func(_ *testing.T, h *faultyHost) { h.way.lead(address(h.ollama.URL), 0) }
	return []broken{
		{"its Ollama is frozen", func(t *testing.T, h *faultyHost) {
			signal(t, -h.ollama.PID, syscall.SIGSTOP)
		}, func(t *testing.T, h *faultyHost) {
			signal(t, -h.ollama.PID, syscall.SIGCONT)
		}},
		{"it is slow", func(_ *testing.T, h *faultyHost) { h.way.lead(address(h.ollama.URL), slowBy) }, heal},
		{"it answers garbage", func(_ *testing.T, h *faultyHost) { h.way.lead(h.garble, 0) }, heal},
		{"its Ollama is cut off", func(_ *testing.T, h *faultyHost) { h.way.lead("", 0) }, heal},
		{"its agent is killed", func(_ *testing.T, h *faultyHost) { h.agent.Kill() }, func(_ *testing.T, h *faultyHost) { h.agent.Restart() }},
	}
}
