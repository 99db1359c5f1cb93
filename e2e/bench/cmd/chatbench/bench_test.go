package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/bench/nginxhop"
	"github.com/corral-fleet/corral/e2e/bench/program"
)

// TestMain lets the test's own binary be the stand-in that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "standin" {
		os.Exit(program.Main("standin", run))
	}
	os.Exit(m.Run())
}

// small makes a run of well under a second.
func small(more ...string) []string {
	return append([]string{
		"-tokens", "4", "-rounds", "2", "-requests", "5",
		"-clients", "3", "-crowd-rounds", "1", "-window", "100ms",
	}, more...)
}

// needNginx skips a test where there is no nginx and CORRAL_MUST_RUN does not
// name it.
func needNginx(t *testing.T) {
	t.Helper()
	if _, err := nginxhop.Find(t.Context()); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "nginx") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func TestBenchOfDirectAndNginx(t *testing.T) {
	needNginx(t)
	out := filepath.Join(t.TempDir(), "chat.md")
	if err := run(context.Background(), small("-out", out), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| direct ", "| nginx×2 ", "cores, Linux", "- nginx/", "4 on average"} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("no %q in\n%s", want, kept)
		}
	}
	if err := run(context.Background(), small("-enforce"), io.Discard, io.Discard); err == nil {
		t.Error("targets that were not measured passed where they are enforced")
	}
}

// script writes a shell script that stands for one of the programs.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBenchStartsThePair(t *testing.T) {
	needNginx(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := script(t, "exec sleep 600")
	f := func(tokens, outcome string) {
		t.Helper()
		controlPlane := script(t, `case "$1" in
			key) echo '{"key":"crl_k"}';;
			token) echo '{"token":"crt_t"}';;
			serve) exec '`+self+`' standin -tokens `+tokens+`;;
		esac`)
		var out strings.Builder
		if err := run(context.Background(), small("-controlplane", controlPlane, "-agent", agent, "-hosts", "1"), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		judged := false
		for line := range strings.Lines(out.String()) {
			judged = judged || strings.HasPrefix(line, "| pieces of a complete stream") && strings.Contains(line, outcome)
		}
		if !judged || !strings.Contains(out.String(), "| corral ") {
			t.Errorf("a path of %s pieces of 4 is not %q in\n%s", tokens, outcome, out.String())
		}
	}
	f("4", " met ")
	f("3", " MISSED ") // each stream is whole, but has lost a piece
}

func TestBenchTellsWhichProgramIsMissing(t *testing.T) {
	err := run(context.Background(), []string{"-nginx", "/nonexistent/nginx", "-controlplane", "c", "-agent", "a"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/nginx") {
		t.Errorf("run = %v, want the program that is missing", err)
	}
}
