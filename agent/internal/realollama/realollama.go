// Package realollama gives the agent's tests the real Ollama.
package realollama

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Bin returns the Ollama that CORRAL_OLLAMA_BIN names, or else the one that
// scripts/ollama.sh keeps. Without either the test fails.
func Bin(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv("CORRAL_OLLAMA_BIN"); bin != "" {
		return bin
	}
	return script(t, "path")
}

// Newest returns the newest release, as far as it can be built here: without
// the llama-server that would run its models.
func Newest(t testing.TB) string {
	t.Helper()
	return script(t, "newest")
}

// script runs a subcommand of scripts/ollama.sh and returns the path that it prints.
func script(t testing.TB, subcommand string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "scripts/ollama.sh", subcommand)
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	path, err := cmd.Output()
	if err != nil {
		t.Fatalf("this test needs a real Ollama: set CORRAL_OLLAMA_BIN, or see why scripts/ollama.sh has none: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// root returns the folder of the workspace, below which a test runs.
func root(t testing.TB) string {
	t.Helper()
	start, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("no go.work in %s or above", start)
		}
	}
}
