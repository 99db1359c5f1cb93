package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// TestMain lets the test's own binary be the plugin that a run starts.
func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		os.Exit(servePlugin())
	}
	os.Exit(m.Run())
}

func TestARunOfLittleHasAllFigures(t *testing.T) {
	out := filepath.Join(t.TempDir(), "plugins.md")
	args := []string{"-fs", corraltest.Bin(t, "corral-plugin-storage-fs"), "-files", "2500", "-boundary", "8", "-rounds", "1", "-out", out}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| socket, to the plugin ", "| gRPC, from it ", "| a call ", "| storage-fs ", "first page of a listing", "cores, Linux"} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("no %q in\n%s", want, kept)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{}, {"-fs", "f", "x"}, {"-fs", "f", "-rounds", "0"}, {"-fs", "f", "-s3", "s"}} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestRatiosAreThoseOfEachRound(t *testing.T) {
	var f files
	f.seconds[inProcess] = []float64{1, 10, 1}
	f.seconds[bySocket] = []float64{2, 10, 4} // 0.5, 1 and 0.25
	if got := f.ratio(bySocket, inProcess); got != 0.5 {
		t.Errorf("%v", got)
	}
	if got := median([]time.Duration{3, 1, 2}); got != 2 {
		t.Errorf("%v", got)
	}
}
