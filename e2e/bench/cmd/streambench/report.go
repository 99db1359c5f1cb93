package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// What was promised of the path through Corral.
const (
	maxStreamKB = 60 // of the control plane's memory, for each stream; 1 KB is 1e3 bytes
	maxAdds     = 5 * time.Millisecond
	minCame     = 0.99 // of the tokens that were due
)

// document puts what was measured into words.
func (r result) document(o options) report.Document {
	doc := report.Document{
		Title: "Many open streams",
		Method: strings.Join([]string{
			fmt.Sprintf("%s, over %d agents to a stand-in Ollama, heard for %v.", o.many, o.agents, o.many.window),
			fmt.Sprintf("%s: %d rounds, in each of which every path has its turn for %v.", o.fast, o.rounds, o.fast.window),
			"Every token says which it is of which answer, and when it was sent: its transit is the time until the client has read it.",
			"What a path adds is its quantile less the direct path's of the same round; given is the median over the rounds.",
			"Memory is what is resident in the window over what was without streams, and CPU time is counted in 10 ms.",
		}, "\n"),
		Figures: r.transits(o),
		More:    []report.Table{uses(o.many, r.many.uses, r.many.tokens, true)},
		Targets: r.targets(o),
		Notes:   r.notes(),
	}
	last := r.fast[len(r.fast)-1]
	doc.More = append(doc.More, uses(o.fast, last.uses, last.tokens(), false))
	return doc
}

// transits is the table of how long tokens were on their way.
func (r result) transits(o options) report.Table {
	t := report.Table{Header: []string{"streams", "path", "tokens/s", "transit, median", "p99", "longest", "adds", "adds at p99"}}
	perSecond := func(tokens int, over time.Duration) string {
		return fmt.Sprintf("%.0f", float64(tokens)/over.Seconds())
	}
	t.Rows = append(t.Rows, []string{
		strconv.Itoa(o.many.streams), r.many.path, perSecond(r.many.tokens, o.many.window),
		millis(r.many.transit.Median), millis(r.many.transit.P99), millis(r.many.transit.Max), "", "",
	})
	for _, s := range r.fast {
		middle := func(of func(hearing) time.Duration) string { return millis(median(s.each(of))) }
		row := []string{
			strconv.Itoa(o.fast.streams), s.name, perSecond(s.tokens(), o.fast.window*time.Duration(len(s.rounds))),
			middle(transitMedian), middle(transitP99), middle(func(h hearing) time.Duration { return h.transit.Max }), "", "",
		}
		if s.name != direct {
			row[6], row[7] = millis(s.adds(r.fast[0], transitMedian)), millis(s.adds(r.fast[0], transitP99))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

func transitMedian(h hearing) time.Duration { return h.transit.Median }
func transitP99(h hearing) time.Duration    { return h.transit.P99 }

// each returns one figure of every round.
func (s series) each(of func(hearing) time.Duration) []time.Duration {
	var ds []time.Duration
	for _, h := range s.rounds {
		ds = append(ds, of(h))
	}
	return ds
}

// adds returns what a path adds to a figure of another.
func (s series) adds(base series, of func(hearing) time.Duration) time.Duration {
	ours := s.each(of)
	for i, theirs := range base.each(of) {
		ours[i] -= theirs
	}
	return median(ours)
}

// tokens returns how many were heard in all rounds.
func (s series) tokens() int {
	n := 0
	for _, h := range s.rounds {
		n += h.tokens
	}
	return n
}

// uses is the table of what the parts used under a load.
func uses(l streamLoad, list []use, tokens int, memory bool) report.Table {
	t := report.Table{Header: []string{fmt.Sprintf("%d streams", l.streams), "CPU of a core", "CPU a token"}}
	if memory {
		t.Header = append(t.Header, "idle", "resident", "a stream")
	}
	for _, u := range list {
		row := []string{
			u.name, fmt.Sprintf("%.1f%%", 100*u.cpu.Seconds()/u.over.Seconds()),
			fmt.Sprintf("%.1f µs", u.cpu.Seconds()*1e6/float64(max(tokens, 1))),
		}
		if memory {
			row = append(row, megabytes(u.idle), megabytes(u.peak), fmt.Sprintf("%.1f KB", u.streamKB(l)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// streamKB returns what a part's memory has grown by for each stream.
func (u use) streamKB(l streamLoad) float64 {
	return (float64(u.peak) - float64(u.idle)) / 1e3 / float64(l.streams)
}

// targets judges the path through Corral. Without it, what is about it was not
// measured.
func (r result) targets(o options) []report.Target {
	broken := r.many.Broken
	came := float64(r.many.tokens) / float64(o.many.due())
	for _, s := range r.fast {
		came = min(came, float64(s.tokens())/float64(o.fast.due()*len(s.rounds)))
		for _, h := range s.rounds {
			broken += h.Broken
		}
	}
	memory := report.Target{Name: "control plane's memory, a stream", Wanted: fmt.Sprintf("at most %d KB", maxStreamKB)}
	adds := report.Target{Name: "added to a token at p99", Wanted: "at most " + millis(maxAdds)}
	for _, u := range r.many.uses {
		if u.name == controlPlane {
			memory = report.AtMost(memory.Name, "%.1f KB", maxStreamKB, u.streamKB(o.many))
		}
	}
	if last := r.fast[len(r.fast)-1]; last.name == corral {
		adds = report.AtMost(adds.Name, "%.2f ms", float64(maxAdds)/1e6, float64(last.adds(r.fast[0], transitP99))/1e6)
	}
	return []report.Target{
		report.AtMost("streams that broke, on any path", "%.0f", 0, float64(broken)),
		report.AtLeast("tokens that came, of those due", "%.3f", minCame, came),
		memory, adds,
	}
}

// notes tell how well the stand-in kept its schedule, and why a stream broke.
func (r result) notes() []string {
	late := func(name string, h hearing) string {
		return fmt.Sprintf("%s: the stand-in sent tokens %s behind its schedule at the median, %s at p99", name, millis(h.late.Median), millis(h.late.P99))
	}
	notes := []string{late("many streams, "+r.many.path, r.many.hearing)}
	broke := func(name string, h hearing) {
		if h.FirstBreak != nil {
			notes = append(notes, fmt.Sprintf("%s: the first of %d broken streams: %v", name, h.Broken, h.FirstBreak))
		}
	}
	broke(r.many.path, r.many.hearing)
	for _, s := range r.fast {
		notes = append(notes, late("fast streams, "+s.name+", last round", s.rounds[len(s.rounds)-1]))
		for _, h := range s.rounds {
			broke(s.name, h)
		}
	}
	return notes
}
