package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
)

// TestHostsDocumentRuns does what docs/hosts.md says, from the first token to
// leaving, with an agent that runs in between.
func TestHostsDocumentRuns(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	ollama := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_NUM_PARALLEL=2"}})
	environment := []string{
		"PATH=" + corraltest.BinDir(t) + ":" + os.Getenv("PATH"),
		"CORRAL_SERVER=" + controlplane.URL(), "CORRAL_KEY=" + controlplane.Key(corraltest.Admin),
		"CORRAL_CONTROLPLANE_DATA_DIR=" + controlplane.DataDir, "CORRAL_AGENT_DATA_DIR=" + lab.Folder("host"),
		"CORRAL_AGENT_OLLAMA_URL=" + ollama.URL, "CORRAL_AGENT_GPU_SOURCE=" + recordedGPUs,
	}
	text := strings.ReplaceAll(read(t, filepath.Join(repository, "docs", "hosts.md")), "CONTROLPLANE:11435", "https://"+controlplane.Address)
	first, rest, begun := strings.Cut(text, "\n## Start it\n")
	running, last, left := strings.Cut(rest, "\n## Leaving\n")
	if !begun || !left {
		t.Fatal("docs/hosts.md no longer says where the agent is started, or where it leaves")
	}
	do := func(part string, wants ...[2]string) {
		t.Helper()
		shell := lab.Start(corraltest.Command{
			Path: "/bin/bash", Args: []string{"-euo", "pipefail", "-c", announced(runBlocks(part))}, Env: environment, Dir: corraltest.Root(t),
		})
		code := shell.Wait(readmeLimit)
		steps := stepsOf(string(shell.Log()))
		if code != 0 {
			t.Fatalf("the commands end with status %d; the last one was: %s", code, steps[len(steps)-1].Command)
		}
		for _, want := range wants {
			if complaint := complaintAboutStep(steps, want[0], want[1]); complaint != "" {
				t.Error(complaint)
			}
		}
	}

	do(first, [2]string{`^corral-agent join `, `Joined https://\S+ as host rack-1 `})
	start := commands(running)[0] // in a block of its own, as it doesn't end
	agent := lab.Start(corraltest.Command{Path: corraltest.Bin(t, start[0]), Args: start[1:], Env: environment})
	controlplane.AwaitHost(serveLimit, "rack-1", "serves and reads its GPUs", func(h *client.Host) bool { return corraltest.Serves(h) && allRead(h) })
	do(running,
		[2]string{`^corral-agent status$`, `host +rack-1 `},
		[2]string{`^corral-agent doctor$`, `(?m)^ok +Ollama: `},
		[2]string{`^corral host list$`, `(?m)^rack-1 +online `},
		[2]string{`^corral host show `, `(?m)^gpus +8 GPUs, not real: ` + recordedGPUs},
		[2]string{`^corral gpu show `, `(?m)^gpu +GPU-`},
		[2]string{`^corral gpu release `, `holds the GPU driver no more`},
		[2]string{`^corral host rename `, `is called gpu-1`},
		[2]string{`^corral-controlplane token create .*--approve`, `^crt_`},
		[2]string{`^corral token list$`, `(?m)^tok_\S+ +40 +yes .*rack=b1`})
	agent.Stop()
	do(last, [2]string{`^corral-agent leave$`, `has forgotten host \S+ \(h_`})
	if got := hostNames(t, controlplane); got != "" {
		t.Errorf("hosts that are left: %s", got)
	}
}
