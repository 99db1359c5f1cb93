package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// TestASmallFleet measures a few hosts, of which no sample may be lost.
func TestASmallFleet(t *testing.T) {
	var out strings.Builder
	args := []string{"-controlplane", corraltest.Bin(t, "corral-controlplane"), "-hosts", "20", "-idle", "30", "-settle", "1s", "-idle-settle", "1s", "-for", "2s", "-outage", "1s"}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 20 at work ", "| 30 idle ", "| back in second ", " samples of 2 hosts were counted"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "| samples that are") && !strings.HasSuffix(strings.TrimSpace(line), "met |") {
			t.Error(line)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-controlplane", "c", "more"}, {"-controlplane", "c", "-hosts", "0", "-idle", "0"}, {"-controlplane", "c", "-for", "0s"}, {"-controlplane", "c", "-hosts", "-1"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestHowAFleetComesBack(t *testing.T) {
	c := comeback{waits: []time.Duration{0, 50 * time.Millisecond, 99 * time.Millisecond, 100 * time.Millisecond, 1250 * time.Millisecond}}
	if diff := cmp.Diff([]int{3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, c.slots()); diff != "" {
		t.Errorf("slots (-want +got)\n%s", diff)
	}
	if got := c.atOncePercent(); got != 60 {
		t.Errorf("%v%% came at once", got)
	}
	if half, all := c.within(0.5), c.within(1); half != 99*time.Millisecond || all != 1250*time.Millisecond {
		t.Errorf("half were back within %v, all within %v", half, all)
	}
	rows := histogram(&c).Rows
	if len(rows) != 2 || rows[0][1] != "3" || rows[1][0] != "1" || rows[1][3] != "1" {
		t.Errorf("the histogram is %v", rows)
	}
}
