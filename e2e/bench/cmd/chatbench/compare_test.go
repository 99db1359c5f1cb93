package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// micro returns rounds of first tokens, each of one duration in microseconds.
func micro(rounds ...int) [][]time.Duration {
	var all [][]time.Duration
	for _, us := range rounds {
		all = append(all, []time.Duration{time.Duration(us) * time.Microsecond})
	}
	return all
}

// run3 is a run of three paths on a machine that got slower half way.
func run3() []series {
	return []series{
		{name: direct, first: micro(50, 50, 200, 200), rates: []float64{4000, 2000}, complete: 10, lines: 650},
		{name: nginx, first: micro(200, 210, 340, 350), rates: []float64{3000, 1500}, complete: 10, lines: 650},
		{name: corral, first: micro(290, 300, 450, 460), rates: []float64{3200, 1500}, complete: 10, lines: 650},
	}
}

func TestCompareWithinRounds(t *testing.T) {
	f := compare(run3())
	if got := f[1].adds; got != 150*time.Microsecond {
		t.Errorf("nginx adds %v, want 150µs", got)
	}
	if got := f[2].adds; got != 250*time.Microsecond {
		t.Errorf("corral adds %v, want 250µs", got)
	}
	if got := f[2].rateRatio; got != 0.775 {
		t.Errorf("corral's rate is %v of direct, want 0.775", got)
	}
	if f[0].adds != 0 || f[0].rateRatio != 1 || f[0].firstToken.Median != 50*time.Microsecond {
		t.Errorf("direct beside itself: %+v", f[0])
	}
}

// outcomes returns those of the targets of a run, in their order.
func outcomes(list []series) []report.Outcome {
	var all []report.Outcome
	for _, g := range targets(compare(list), options{tokens: 64, hosts: 16}) {
		all = append(all, g.Outcome)
	}
	return all
}

func TestTargets(t *testing.T) {
	const met, missed, unknown = report.Met, report.Missed, report.NotMeasured
	f := func(name string, list []series, want ...report.Outcome) {
		t.Helper()
		if got := outcomes(list); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	f("all well", run3(), met, met, met, met, met, met)
	f("without corral", run3()[:2], unknown, unknown, unknown, unknown, met, met)
	f("nothing", []series{{name: direct}}, unknown, unknown, unknown, unknown, unknown, unknown)

	slow := run3()
	slow[2].first = micro(1551, 1551, 1701, 1701)
	slow[2].rates = []float64{2700, 1300}
	f("too slow", slow, missed, missed, missed, missed, met, met)

	lossy := run3()
	lossy[2].broken, lossy[2].firstBreak = 1, errors.New("cut")
	lossy[2].lines--
	f("lossy", lossy, met, met, met, met, missed, missed)
	if d := document(options{tokens: 64}, lossy); !strings.Contains(d.Markdown(time.Now()), "corral: the first broken stream: cut") {
		t.Errorf("the report hides why a stream broke:\n%s", d.Markdown(time.Now()))
	}

	quick := run3()
	quick[1].first = quick[0].first
	f("nginx that adds nothing", quick, unknown, met, met, met, met, met)

	// A hiccup in most of the rounds is one in the p99, and not in the median.
	hiccup := run3()
	for round := range hiccup[2].first {
		hiccup[2].first[round] = append(hiccup[2].first[round], hiccup[2].first[round][0], hiccup[2].first[round][0]+2*time.Millisecond)
	}
	f("hiccups", hiccup, met, met, missed, met, met, met)
	alone := targets(compare(run3()), options{tokens: 64, hosts: 1})
	if alone[1].Wanted != "at most 280 µs" {
		t.Errorf("with one host wanted is %s", alone[1].Wanted)
	}
}

func TestTurnsGiveEachPathEachPlace(t *testing.T) {
	first := map[int]int{}
	for round := range 6 {
		order := turns(round, 3)
		first[order[0]]++
		slices.Sort(order)
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("round %d leaves out a path: %v", round, order)
		}
	}
	if first[0] != 2 || first[1] != 2 || first[2] != 2 {
		t.Errorf("paths that began: %v", first)
	}
}

func TestOptionsTellEveryFault(t *testing.T) {
	var stderr strings.Builder
	_, err := parseOptions([]string{"-tokens", "0", "-hosts", "0", "-agent", "a", "-corral", "u", "rest"}, &stderr)
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{"flags alone", "-tokens", "-hosts", "-controlplane and -agent", "-corral and -key"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := parseOptions([]string{"-controlplane", "c", "-agent", "a"}, &stderr); err != nil {
		t.Error(err)
	}
}
