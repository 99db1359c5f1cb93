package main

import (
	"fmt"
	"slices"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// What was promised of the dashboard.
const (
	maxFirstLoadKB = 150
	maxCorePercent = 20
	maxChangeMS    = 100
	// maxHeapGrowth is how much more a heap may hold in the second half of the
	// time than in the first, in per cent. The collector is not exact.
	maxHeapGrowth = 5
)

// result is what the script prints.
type result struct {
	Browser              string    `json:"browser"`
	FirstLoadScriptBytes float64   `json:"firstLoadScriptBytes"`
	FirstRoomMS          float64   `json:"firstRoomMs"`
	FleetPercent         float64   `json:"fleetPercent"`
	HostPercent          float64   `json:"hostPercent"`
	ChangeMedianMS       float64   `json:"changeMedianMs"`
	ChangeP95MS          float64   `json:"changeP95Ms"`
	HeapBytes            []float64 `json:"heapBytes"` // after collections, at equal intervals
}

// heapGrowth compares the halves of the time by their medians, in per cent.
func (r result) heapGrowth() float64 {
	half := len(r.HeapBytes) / 2
	first, second := median(r.HeapBytes[:half]), median(r.HeapBytes[len(r.HeapBytes)-half:])
	return 100 * (second - first) / first
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// document puts what was measured into words.
func (r result) document(o options) report.Document {
	row := func(name, format string, value float64) []string { return []string{name, fmt.Sprintf(format, value)} }
	return report.Document{
		Title: "The dashboard in a browser",
		Method: fmt.Sprintf("%d simulated hosts with %d GPUs each report once a second; Chromium %s, headless, shows the fleet for %v and then one host.\n"+
			"The main thread's time is the page's TaskDuration; the heap is taken after a collection, eleven times in %v.", o.hosts, o.gpus, r.Browser, o.over, o.heap),
		Figures: report.Table{
			Header: []string{"what", "measured"},
			Rows: [][]string{
				row("scripts of a first load, over the wire", "%.1f kB", r.FirstLoadScriptBytes/1000),
				row("from the address to the table of hosts", "%.0f ms", r.FirstRoomMS),
				row("main thread, the fleet", "%.1f%% of a core", r.FleetPercent),
				row("main thread, a host with its charts", "%.1f%% of a core", r.HostPercent),
				row("a change of the page, median", "%.0f ms", r.ChangeMedianMS),
				row("a change of the page, p95", "%.0f ms", r.ChangeP95MS),
				row("heap at the beginning", "%.1f MB", r.HeapBytes[0]/1e6),
				row("heap at the end", "%.1f MB", r.HeapBytes[len(r.HeapBytes)-1]/1e6),
			},
		},
		Targets: []report.Target{
			report.AtMost("scripts of a first load", "%.1f kB", maxFirstLoadKB, r.FirstLoadScriptBytes/1000),
			report.AtMost("main thread, the fleet", "%.1f%%", maxCorePercent, r.FleetPercent),
			report.AtMost("main thread, a host", "%.1f%%", maxCorePercent, r.HostPercent),
			report.AtMost("a change of the page, p95", "%.0f ms", maxChangeMS, r.ChangeP95MS),
			report.AtMost("growth of the heap", "%.1f%%", maxHeapGrowth, r.heapGrowth()),
		},
	}
}
