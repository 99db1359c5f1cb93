package ollamatest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Bin returns the path of the Ollama that tests use: CORRAL_OLLAMA_BIN where
// that is set, else what `scripts/ollama.sh path` finds or, once on a machine,
// builds.
func Bin(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv("CORRAL_OLLAMA_BIN"); bin != "" {
		return bin
	}
	return script(t, "path")
}

// Newest returns the path of the newest release that scripts/ollama.sh knows.
// Built without its llama-server, it keeps models and refuses to run them.
func Newest(t testing.TB) string {
	t.Helper()
	return script(t, "newest")
}

// script runs a subcommand of scripts/ollama.sh and returns the path that it prints.
func script(t testing.TB, subcommand string) string {
	t.Helper()
	root, err := workspaceRoot()
	if err != nil {
		t.Fatalf("find scripts/ollama.sh: %v", err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "scripts", "ollama.sh"), subcommand)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("this test needs Ollama: ollama.sh %s: %v\n%s", subcommand, err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// workspaceRoot returns the folder with go.work, in which or below which a test runs.
func workspaceRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.work in %s or above", start)
		}
	}
}
