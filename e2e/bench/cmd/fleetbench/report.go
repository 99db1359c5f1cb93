package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// What was promised.
const (
	maxBusyCorePercent = 25
	maxBusyMB          = 150 // 1 MB is 1e6 bytes
	maxIdleMB          = 500
	maxBusyBack        = 10 * time.Second // all of them
	maxIdleBack        = 60 * time.Second // 99 of 100
	maxLate            = 5 * time.Second  // heartbeats
	// maxAtOncePercent is how many may come within the same tenth of a second: were
	// they to come together, all of them would.
	maxAtOncePercent = 15
)

const slot = 100 * time.Millisecond

// within returns how long it took until a share of the fleet was back.
func (c *comeback) within(share float64) time.Duration {
	if len(c.waits) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(c.waits))
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// slots counts the sessions that began in each tenth of a second.
func (c *comeback) slots() []int {
	counts := make([]int, c.within(1)/slot+1)
	for _, w := range c.waits {
		counts[w/slot]++
	}
	return counts
}

// atOncePercent is the largest share of the sessions within one tenth of a second.
func (c *comeback) atOncePercent() float64 {
	return 100 * float64(slices.Max(c.slots())) / float64(max(1, len(c.waits)))
}

func (r *result) document(o options) report.Document {
	d := report.Document{
		Title: "What a large fleet costs its control plane",
		Method: fmt.Sprintf("Simulated hosts, all of them in one process, speak the agents' protocol with a control plane on the same machine.\n"+
			"Those at work have %d GPUs and report once a second, the idle ones ping, over TLS. Read from /proc once a second for %v, the idle ones for half of it.\n"+
			"A heartbeat is late by how long its answer takes, or by how much it comes after the two seconds.\n"+
			"Then the control plane is killed and started again %v later; times are from when it listens.", gpusPerHost, o.over, o.outage),
		Figures: report.Table{Header: []string{"hosts", "joined in", "CPU of a core", "peak resident", "of it anonymous", "a host", "latest heartbeat", "99% back", "all back", "most in 100 ms"}},
	}
	row := func(name string, l *fleetLoad) {
		d.Figures.Rows = append(d.Figures.Rows, []string{
			strconv.Itoa(l.hosts) + name, seconds(l.joined), fmt.Sprintf("%.1f%%", l.load.CorePercent()),
			fmt.Sprintf("%.0f MB", megabytes(l.load.PeakRSS)), fmt.Sprintf("%.0f MB", megabytes(l.load.Last.RSSAnon)),
			fmt.Sprintf("%.1f KB", 1000*megabytes(l.load.PeakRSS)/float64(l.hosts)),
			fmt.Sprintf("%.2f s", l.late.Seconds()), seconds(l.back.within(0.99)), seconds(l.back.within(1)), fmt.Sprintf("%.1f%%", l.back.atOncePercent()),
		})
	}
	if r.busy.hosts > 0 {
		row(" at work", &r.busy)
		d.More = append(d.More, histogram(&r.busy.back))
		d.Targets = append(d.Targets,
			report.AtMost("at work, CPU of a core", "%.1f%%", maxBusyCorePercent, r.busy.load.CorePercent()),
			report.AtMost("at work, resident", "%.0f MB", maxBusyMB, megabytes(r.busy.load.PeakRSS)),
			report.AtMost("at work, latest heartbeat", "%.2f s", maxLate.Seconds(), r.busy.late.Seconds()),
			report.AtMost("at work, all back", "%.1f s", maxBusyBack.Seconds(), r.busy.back.within(1).Seconds()),
			report.AtMost("at work, back within the same 100 ms", "%.1f%%", maxAtOncePercent, r.busy.back.atOncePercent()),
			report.AtMost("samples that are lost", "%.0f", 0, float64(max(0, r.taken-r.stored))),
			report.AtMost("samples that are doubled", "%.0f", 0, float64(max(0, r.stored-r.taken))),
		)
		d.Notes = append(d.Notes, fmt.Sprintf("%d samples of %d hosts were counted in the history, before and after the crash.", r.taken, r.checkedHosts))
	}
	if r.idle.hosts > 0 {
		row(" idle", &r.idle)
		d.Targets = append(d.Targets,
			report.AtMost("idle, resident", "%.0f MB", maxIdleMB, megabytes(r.idle.load.PeakRSS)),
			report.AtMost("idle, 99% back", "%.1f s", maxIdleBack.Seconds(), r.idle.back.within(0.99).Seconds()),
		)
	}
	return d
}

// histogram shows how many came back in each tenth of a second, a second a row.
func histogram(c *comeback) report.Table {
	t := report.Table{Header: []string{"back in second", ".0", ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9"}}
	for at := range slices.Chunk(c.slots(), 10) {
		row := []string{strconv.Itoa(len(t.Rows))}
		for _, n := range at {
			row = append(row, strconv.Itoa(n))
		}
		for len(row) < len(t.Header) {
			row = append(row, "")
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func megabytes(n uint64) float64 { return float64(n) / 1e6 }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
