package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/audience"
	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/report"
)

func good() result {
	return result{
		idle:       procstat.Load{Over: 10 * time.Second, CPU: 20 * time.Millisecond},
		busy:       procstat.Load{Over: 30 * time.Second, CPU: 3 * time.Second},
		attendance: audience.Attendance{Sockets: 500, Fewest: 30, Most: 30, LongestGap: 1010 * time.Millisecond, Distinct: 30},
	}
}

func TestTargets(t *testing.T) {
	f := func(name string, change func(*result), missed ...int) {
		t.Helper()
		r := good()
		change(&r)
		var got []int
		for i, g := range r.document().Targets {
			if g.Outcome != report.Met {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, missed) {
			t.Errorf("%s: targets %v were missed, want %v", name, got, missed)
		}
	}
	f("all well", func(*result) {})
	f("busy", func(r *result) { r.busy.CPU = 8 * time.Second }, 0)
	f("lossy", func(r *result) { r.attendance.Lost = 1 }, 1)
	f("a socket forgotten", func(r *result) { r.attendance.Fewest, r.attendance.LongestGap = 0, 30*time.Second }, 2, 3)
	f("each encoded for itself", func(r *result) { r.attendance.Distinct = 15000 }, 4)
}

func TestReportNamesTheLoss(t *testing.T) {
	r := good()
	r.attendance.Lost, r.attendance.FirstLoss = 1, errors.New("reset by peer")
	if text := r.document().Markdown(time.Now()); !strings.Contains(text, "reset by peer") {
		t.Errorf("the report hides why a socket broke:\n%s", text)
	}
}

func TestOptions(t *testing.T) {
	f := func(taken bool, args ...string) {
		t.Helper()
		if _, err := parseOptions(args, io.Discard); (err == nil) != taken {
			t.Errorf("%v: %v", args, err)
		}
	}
	f(true, "-controlplane", "c")
	f(true, "-controlplane", "c", "-agent", "a")
	f(true, "-url", "u", "-key", "k", "-pid", "1")
	f(false)
	f(false, "-url", "u", "-key", "k")
	f(false, "-controlplane", "c", "-url", "u", "-key", "k", "-pid", "1")
	f(false, "-agent", "a", "-url", "u", "-key", "k", "-pid", "1")
	f(false, "-controlplane", "c", "-for", "1s")
	f(false, "-controlplane", "c", "x")
}
