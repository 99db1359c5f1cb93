package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// TestFaultySettings wants every fault at once, each with its line, and status 2.
func TestFaultySettings(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	for _, c := range []struct {
		command string
		file    string
		want    []string // FILE is the file's path
	}{
		{
			command: "corral-controlplane config validate",
			file: "server:\n  port: many\n  timeout: 0\n  colour: red\n" +
				"security:\n  api_key_required: perhaps\n  jwt_secret: short\nelsewhere: {}\n",
			want: []string{
				"FILE:2: server.port:", "FILE:3: server.timeout:", "FILE:4: server.colour: unknown", "FILE:6: security.api_key_required:",
				"FILE:7: security.jwt_secret:", "FILE:8: elsewhere: unknown",
			},
		},
		{
			command: "corral-controlplane serve",
			file:    "server: [a\n  b: : c\n",
			want:    []string{"FILE:2: not valid YAML"},
		},
		{
			command: "corral-agent run",
			file:    "server: [ws://far]\nname: \"two\\nlines\"\nollama:\n  mode: magic\n  stalls: {token: 1ms}\nsample_interval: soon\n",
			want:    []string{"FILE:1: server[0]:", "FILE:2: name:", "FILE:4: ollama.mode:", "FILE:5: ollama.stalls.token:", "FILE:6: sample_interval:"},
		},
		{
			command: "corral-agent run",
			file:    "\x00\x01\x02",
			want:    []string{"FILE: not valid YAML"},
		},
	} {
		file := lab.Folder("settings") + ".yaml"
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		wantUsageError(t, lab, append(strings.Fields(c.command), "--config", file), file, c.want)
	}
	wantUsageError(t, lab, []string{"corral-controlplane", "serve", "--lisen", "x"}, "", []string{"--lisen"})
	wantUsageError(t, lab, []string{"corral-controlplane", "key", "create"}, "", []string{"--name"})
}

// wantUsageError runs a program that is to refuse what it was told.
func wantUsageError(t *testing.T, lab *corraltest.Lab, command []string, file string, want []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), corraltest.Bin(t, command[0]), command[1:]...)
	cmd.Dir = lab.Dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("%v ends with %v, want status 2", command, err)
	}
	for _, w := range want {
		if w = strings.ReplaceAll(w, "FILE", file); !strings.Contains(string(out), w) {
			t.Errorf("%v does not say %q, but:\n%s", command, w, out)
		}
	}
	if strings.Contains(string(out), "short") {
		t.Errorf("%v shows a secret:\n%s", command, out)
	}
}
