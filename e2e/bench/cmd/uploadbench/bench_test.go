package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

func TestARunOfLittleHasAllFigures(t *testing.T) {
	out := filepath.Join(t.TempDir(), "uploads.md")
	args := []string{"-controlplane", corraltest.Bin(t, "corral-controlplane"), "-file", "8", "-rounds", "2", "-settle", "0s", "-out", out}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| openssl and a copy ", "| tus ", "| tus, until the answer ", "| form ", "| form, until the answer ", "tus, of the reference", "form, memory over idle", "cores, Linux"} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("no %q in\n%s", want, kept)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{}, {"-controlplane", "c", "x"}, {"-controlplane", "c", "-rounds", "0"}, {"-controlplane", "c", "-file", "0"}} {
		if err := run(context.Background(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestRatiosAreThoseOfEachRound(t *testing.T) {
	var f figures
	f.seconds[reference] = []float64{1, 10, 1}
	f.seconds[byTus] = []float64{2, 10, 4} // 0.5, 1 and 0.25
	if got := f.ratio(f.seconds[byTus]); got != 0.5 {
		t.Errorf("%v", got)
	}
}
