package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
)

// managed is a control plane and an agent that runs an Ollama of its own.
type managed struct {
	lab          *corraltest.Lab
	controlplane *corraltest.ControlPlane
	agent        *corraltest.Agent
	caller       *corraltest.Caller
}

func startManaged(t *testing.T, flags ...string) managed {
	t.Helper()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	flags = append(corraltest.ManagedOllama(ollamatest.Bin(t), lab.Models()), flags...)
	agent := controlplane.Agent(corraltest.AgentOptions{Args: flags})
	agent.AwaitModel(serveLimit, corraltest.Endless)
	return managed{lab, controlplane, agent, controlplane.As(corraltest.Inference)}
}

// The processes below an agent, by a word of their command lines.
const (
	keeper = "ollama-keeper"
	serve  = "ollama serve"
	runner = "ollama runner"
)

// only returns the one process of this kind.
func (m *managed) only(t *testing.T, kind string) int {
	t.Helper()
	pids := m.lab.Find(kind)
	if len(pids) != 1 {
		t.Fatalf("%d processes are %q, want one", len(pids), kind)
	}
	return pids[0]
}

// signal signals a process, which has to be there.
func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("send %v to %d: %v", s, pid, err)
	}
}

// wantServing wants a chat to succeed within a time, and the host to show
// nothing that is wrong.
func (m *managed) wantServing(t *testing.T, limit time.Duration) {
	t.Helper()
	took := corraltest.Await(t, limit, "a chat succeeds again", func() error {
		answer := m.caller.Post("/api/chat", object{"model": corraltest.Hello, "message": "Hello?"})
		if answer.Status != 200 {
			return fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return nil
	})
	t.Logf("it served again after %v", took.Round(time.Millisecond))
	m.controlplane.AwaitHost(limit, m.agent.Name, "is well again", func(h *client.Host) bool {
		return corraltest.Serves(h) && h.State == client.HostOnline
	})
}

// dialects are the ways in which an answer streams, each with what its last
// line is to be when the answer breaks off.
func dialects() []dialect {
	plainError := func(line string) bool {
		var e struct{ Error string }
		return json.Unmarshal([]byte(line), &e) == nil && e.Error != ""
	}
	return []dialect{
		{"native", "/api/chat", endless(), plainError},
		{"dashboard", "/api/chat/stream", object{"model": corraltest.Endless, "message": "Go on."}, func(line string) bool {
			var e struct {
				Error, Code string
				Done        bool
			}
			data, ok := strings.CutPrefix(line, "data: ")
			return ok && json.Unmarshal([]byte(data), &e) == nil && e.Error != "" && e.Code != "" && e.Done
		}},
		{"openai", "/v1/chat/completions", object{"model": corraltest.Endless, "stream": true, "messages": endless()["messages"]}, func(line string) bool {
			var e struct{ Error struct{ Message string } }
			data, ok := strings.CutPrefix(line, "data: ")
			return ok && json.Unmarshal([]byte(data), &e) == nil && e.Error.Message != ""
		}},
	}
}

type dialect struct {
	name    string
	path    string
	body    object
	isError func(lastLine string) bool
}

// streams opens an endless answer in every dialect.
func (m *managed) streams(t *testing.T) map[string]*corraltest.Stream {
	t.Helper()
	all := map[string]*corraltest.Stream{}
	caller := *m.caller
	caller.T = t // they are closed with this test
	for _, d := range dialects() {
		all[d.name] = caller.Stream(d.path, d.body)
		all[d.name].AwaitLines(serveLimit, 3)
	}
	return all
}

// wantErrors wants every answer to end with an error that its reader can parse.
func wantErrors(t *testing.T, streams map[string]*corraltest.Stream, limit time.Duration) {
	t.Helper()
	for _, d := range dialects() {
		last, err := streams[d.name].AwaitEnd(limit)
		if err != nil || !d.isError(last) {
			t.Errorf("%s: the answer ends with %q, %v", d.name, last, err)
		}
	}
}

// brokenLimit is how long an answer may take to end after what made it was
// killed. An Ollama whose runner was killed leaves some of several answers as
// they are, without an end, until the agent finds that they have stalled.
const brokenLimit = 15 * time.Second

// TestKilledInTurn kills each process, while answers stream through it.
func TestKilledInTurn(t *testing.T) {
	t.Parallel()
	m := startManaged(t, "--ollama-num-parallel", "4", "--ollama-stalls-token", "2s")
	for _, kind := range []string{runner, serve, keeper} {
		t.Run(kind, func(t *testing.T) {
			streams := m.streams(t)
			signal(t, m.only(t, kind), syscall.SIGKILL)
			wantErrors(t, streams, brokenLimit)
			m.wantServing(t, serveLimit)
		})
	}
	t.Run("agent", func(t *testing.T) {
		streams := m.streams(t)
		m.agent.Kill()
		wantErrors(t, streams, brokenLimit)
		corraltest.Await(t, 10*time.Second, "nothing of its Ollama is left", corraltest.Until(func() bool {
			return len(m.lab.Find("ollama")) == 0
		}))
		m.controlplane.AwaitHost(3*time.Second, m.agent.Name, "is disconnected", func(h *client.Host) bool { return h.State == client.HostDisconnected })
		m.agent.Restart()
		m.wantServing(t, serveLimit)
	})
	t.Run("control plane", func(t *testing.T) {
		streams := m.streams(t)
		before := m.lab.Find(serve)
		m.controlplane.Kill()
		for name, stream := range streams {
			if _, err := stream.AwaitEnd(5 * time.Second); err == nil {
				t.Errorf("%s: an answer that broke off looks as if it were whole", name)
			}
		}
		m.controlplane.Restart()
		m.wantServing(t, backLimit)
		if after := m.lab.Find(serve); !slices.Equal(before, after) {
			t.Errorf("the host's Ollama was process %v and is %v", before, after)
		}
	})
}

// TestNoPluginOutlivesItsControlPlane kills a control plane while one of its plugins
// stands still, and so can't end by itself.
func TestNoPluginOutlivesItsControlPlane(t *testing.T) {
	t.Parallel()
	const plugin = "corral-plugin-storage-fs"
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	awaitStorage(t, controlplane.API(), storageReady, "default", "ready")
	pid := pluginProcess(t.Context(), controlplane.API(), "fs")
	if found := lab.Find(plugin); !slices.Equal(found, []int{pid}) {
		t.Fatalf("the plugin is process %d, and the lab sees %v", pid, found)
	}
	signal(t, pid, syscall.SIGSTOP)
	controlplane.Kill()
	corraltest.Await(t, backLimit, "no plugin is left", func() error {
		if left := lab.Find("corral-plugin-"); len(left) > 0 {
			return fmt.Errorf("processes %v are", left)
		}
		return nil
	})
	controlplane.Restart()
	awaitStorage(t, controlplane.API(), storageReady, "default", "ready")
}
