package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/e2e/systemdtest"
)

// TestSystemdDocumentRuns does what docs/systemd.md says, in one shell, on a
// machine that has Ollama and nothing of ours.
func TestSystemdDocumentRuns(t *testing.T) {
	t.Parallel()
	ollama := ollamatest.Bin(t)
	root, bin := corraltest.Root(t), corraltest.BinDir(t)
	m := systemdtest.Boot(t, root, bin, filepath.Dir(ollama))
	m.Run("install -D " + ollama + " /usr/local/bin/ollama")
	text := strings.ReplaceAll(read(t, filepath.Join(repository, "docs", "systemd.md")), "CONTROLPLANE:", "127.0.0.1:")
	first, rest, begun := strings.Cut(text, "\n## How Ollama is run\n")
	if !begun {
		t.Fatal("docs/systemd.md no longer says how Ollama is run")
	}
	do := func(part string, wants ...[2]string) {
		t.Helper()
		out, err := m.Try("cd " + root + "; export BIN=" + bin + " PATH=" + os.Getenv("PATH") + ":$PATH\n" + announced(runBlocks(part)))
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range wants {
			if complaint := complaintAboutStep(stepsOf(out), want[0], want[1]); complaint != "" {
				t.Error(complaint)
			}
		}
	}
	do(first, [2]string{`^systemctl status .*corral-agent$`, `Active: active \(running\)`})
	corraltest.Await(t, serviceLimit, "the host has joined and serves", func() error {
		_, err := m.Try("systemctl show --property=StatusText corral-agent | grep 'connected to https://127.0.0.1:11435; Ollama is ready'")
		return err
	})
	do(rest,
		[2]string{`^systemctl show .*corral-ollama@default$`, `ActiveState=active`},
		[2]string{`^journalctl .*corral-ollama@default$`, `Listening on 127\.0\.0\.1:11434`},
		[2]string{`corral-agent leave$`, `has forgotten host `})
}
