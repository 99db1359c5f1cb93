package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/bench/program"
)

// TestMain lets the test's own binary be the stand-in that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "standin" {
		os.Exit(program.Main("standin", run))
	}
	os.Exit(m.Run())
}

// small makes a run of a few seconds.
func small(more ...string) []string {
	return append([]string{
		"-streams", "20", "-rate", "20", "-ramp", "50ms", "-for", "300ms", "-idle", "100ms",
		"-fast-streams", "10", "-fast-rate", "50", "-fast-ramp", "50ms", "-fast-for", "200ms", "-rounds", "1", "-agents", "1",
	}, more...)
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

func TestBenchOfTheDirectPath(t *testing.T) {
	out := filepath.Join(t.TempDir(), "streams.md")
	if err := run(context.Background(), small("-out", out, "-enforce"), io.Discard, io.Discard); err == nil {
		t.Error("targets that were not measured passed where they are enforced")
	}
	kept, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 20 ", "| 10 ", " direct |", "| stand-in ", "| load ", "not measured", "cores, Linux"} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("no %q in\n%s", want, kept)
		}
	}
}

func TestBenchStartsCorral(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The one that stands for the control plane keeps a pace of its own.
	controlPlane := script(t, `case "$1" in
		key) echo '{"key":"crl_k"}';;
		token) echo '{"token":"crt_t"}';;
		serve) exec '`+self+`' standin -pace 20ms -tokens 1000;;
	esac`)
	var out strings.Builder
	args := small("-rate", "50", "-controlplane", controlPlane, "-agent", script(t, "exec sleep 600"))
	if err := run(context.Background(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| control plane ", "| agents, 1 in all ", " corral |", "| streams that broke, on any path "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not measured") {
		t.Errorf("something was not measured:\n%s", out.String())
	}
}

func TestOptionsTellEveryFault(t *testing.T) {
	var stderr strings.Builder
	_, err := parseOptions([]string{"-agent", "a", "-rounds", "0", "-rate", "3", "-fast-streams", "0", "-fast-for", "1ms", "rest"}, &stderr)
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{"flags alone", "-rounds", "-controlplane and -agent", "whole number of milliseconds", "one or more", "must have a token"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := parseOptions(nil, &stderr); err != nil {
		t.Error(err)
	}
}
