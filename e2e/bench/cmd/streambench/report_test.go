package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/report"
)

var asked = options{
	many:   streamLoad{streams: 1000, rate: 2, window: 10 * time.Second},
	fast:   streamLoad{streams: 100, rate: 20, window: time.Second},
	rounds: 2,
}

// good is a run that met every target.
func good() result {
	fast := func(name string, p99 ...time.Duration) series {
		s := series{path: path{name: name}}
		for _, d := range p99 {
			s.rounds = append(s.rounds, hearing{tokens: 2000, transit: load.Quantiles{Median: d / 10, P99: d, Max: 2 * d}})
		}
		return s
	}
	return result{
		many: manyStreams{
			path: corral, hearing: hearing{tokens: 20000},
			uses: []use{{part: part{name: controlPlane}, idle: 20e6, peak: 70e6, cpu: time.Second, over: 10 * time.Second}},
		},
		// The second round was slow for both.
		fast: []series{fast(direct, 2*time.Millisecond, 90*time.Millisecond), fast(corral, 5*time.Millisecond, 94*time.Millisecond)},
	}
}

func TestTargets(t *testing.T) {
	f := func(name string, change func(*result), missed ...int) {
		t.Helper()
		r := good()
		change(&r)
		var got []int
		for i, g := range r.targets(asked) {
			if g.Outcome != report.Met {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, missed) {
			t.Errorf("%s: targets %v were missed, want %v", name, got, missed)
		}
	}
	f("all well", func(*result) {})
	f("one broke of many", func(r *result) { r.many.Broken = 1 }, 0)
	f("one broke of the fast", func(r *result) { r.fast[0].rounds[1].Broken = 1 }, 0)
	f("tokens of many are missing", func(r *result) { r.many.tokens = 19700 }, 1)
	f("tokens of the fast are missing", func(r *result) { r.fast[1].rounds[0].tokens = 1900 }, 1)
	f("large", func(r *result) { r.many.uses[0].peak = 81e6 }, 2)
	f("slow", func(r *result) {
		r.fast[1].rounds[0].transit.P99, r.fast[1].rounds[1].transit.P99 = 8*time.Millisecond, 96*time.Millisecond
	}, 3)
	f("without corral", func(r *result) { r.fast, r.many.uses = r.fast[:1], nil }, 2, 3)
}

func TestReportTellsWhatBroke(t *testing.T) {
	r := good()
	r.many.Broken, r.many.FirstBreak = 3, errors.New("cut")
	text := r.document(asked).Markdown(time.Now())
	for _, want := range []string{"corral: the first of 3 broken streams: cut", "| control plane ", "50.0 KB", "50.0 µs", "behind its schedule"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
