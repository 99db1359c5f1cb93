package main

import (
	"fmt"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/audience"
	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/report"
)

// What was promised of many dashboards that get an update a second.
const (
	maxCorePercent = 25 // of one core
	maxGap         = 2 * time.Second
)

// result is what one run measured.
type result struct {
	idle, busy procstat.Load
	attendance audience.Attendance
}

// document puts what was measured into words.
func (r result) document() report.Document {
	att := r.attendance
	row := func(name string, l procstat.Load) []string {
		return []string{
			name, fmt.Sprintf("%.0f s", l.Over.Seconds()), fmt.Sprintf("%.1f%%", l.CorePercent()),
			fmt.Sprintf("%.1f MB", float64(l.PeakRSS)/1e6),
		}
	}
	doc := report.Document{
		Title: "Many open dashboards",
		Method: fmt.Sprintf("%d raw WebSockets take in a control plane's metrics_update for %.0f s.\n"+
			"CPU time and memory are the control plane's, from /proc; the sockets are another process's.", att.Sockets, r.busy.Over.Seconds()),
		Figures: report.Table{
			Header: []string{"control plane", "over", "CPU of a core", "peak resident"},
			Rows:   [][]string{row("without sockets", r.idle), row(fmt.Sprintf("with %d sockets", att.Sockets), r.busy)},
		},
		Targets: []report.Target{
			report.AtMost("CPU of a core", "%.1f%%", maxCorePercent, r.busy.CorePercent()),
			report.AtMost("sockets that broke", "%.0f", 0, float64(att.Lost)),
			report.AtLeast("updates of the socket with the fewest", "%.0f", fewest(r.busy.Over), float64(att.Fewest)),
			report.AtMost("longest time without an update", "%.2f s", maxGap.Seconds(), att.LongestGap.Seconds()),
			report.AtMost("different updates, as each is encoded once", "%.0f", float64(att.Most+1), float64(att.Distinct)),
		},
		Notes: []string{fmt.Sprintf("%d to %d updates a socket, %.1f MB in all", att.Fewest, att.Most, float64(att.Bytes)/1e6)},
	}
	if att.FirstLoss != nil {
		doc.Notes = append(doc.Notes, fmt.Sprintf("the first socket that broke: %v", att.FirstLoss))
	}
	return doc
}

// fewest is how many updates a socket gets at least over a time, at one a
// second: the seconds may not begin when the time does.
func fewest(over time.Duration) float64 {
	return float64(over/time.Second) - 1
}
