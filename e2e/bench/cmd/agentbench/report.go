package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/procstat"
	"github.com/corral-fleet/corral/e2e/bench/report"
)

// What was promised of an agent that reports once a second: without a GPU, and with
// eight of them, which a program of its own reads. 1 MB is 1e6 bytes, percent are of
// one core.
const (
	maxResidentMB  = 15
	maxCorePercent = 0.3

	maxResidentWithGPUsMB  = 18
	maxProbeResidentMB     = 20
	maxCorePercentWithGPUs = 0.8 // of agent and probe together
)

// Nothing grows. A heap's size wanders by less than this, and over less time than
// this nothing can be said of it.
const (
	maxGrowthPercent = 3
	growthOver       = 10 * time.Minute
)

// probeName is what the kernel calls the program that reads GPUs.
const probeName = "corral-gpuprobe"

func megabytes(n uint64) float64 { return float64(n) / 1e6 }

// document puts what was measured into words. The first load is the agent.
func document(loads []procstat.Load, gpu string) report.Document {
	t := report.Table{Header: []string{"process", "peak resident", "of it anonymous", "of it files", "threads", "CPU of a core"}}
	for _, l := range loads {
		t.Rows = append(t.Rows, []string{
			l.Name, fmt.Sprintf("%.1f MB", megabytes(l.PeakRSS)),
			fmt.Sprintf("%.1f MB", megabytes(l.Last.RSSAnon)), fmt.Sprintf("%.1f MB", megabytes(l.Last.RSSFile)),
			strconv.FormatUint(l.Last.Threads, 10), fmt.Sprintf("%.2f%%", l.CorePercent()),
		})
	}
	agent := loads[0]
	doc := report.Document{
		Title: "What an agent uses of its host",
		Method: fmt.Sprintf("An agent that is attached to an idle stand-in Ollama reports to a control plane on the same machine.\n"+
			"Read from /proc once a second for %.0f s, after it had settled; CPU time is counted in 10 ms.\n"+
			"Rows after the first are processes that the agent has started; an attached agent needs no keeper.", agent.Over.Seconds()),
		Figures: t,
		Targets: []report.Target{
			report.AtMost("agent, resident", "%.1f MB", maxResidentMB, megabytes(agent.PeakRSS)),
			report.AtMost("agent, CPU of a core", "%.2f%%", maxCorePercent, agent.CorePercent()),
		},
	}
	at := slices.IndexFunc(loads, func(l procstat.Load) bool { return l.Name == probeName })
	if at < 0 {
		doc.Targets = append(doc.Targets, growth(loads)...)
		return doc
	}
	probe := loads[at]
	doc.Title = "What an agent with GPUs uses of its host"
	doc.Method += fmt.Sprintf("\nThe GPUs are %s: no driver is loaded and no library, which has a memory of its own.", gpu)
	doc.Targets = []report.Target{
		report.AtMost("agent, resident", "%.1f MB", maxResidentWithGPUsMB, megabytes(agent.PeakRSS)),
		report.AtMost("probe, resident", "%.1f MB", maxProbeResidentMB, megabytes(probe.PeakRSS)),
		report.AtMost("both, CPU of a core", "%.2f%%", maxCorePercentWithGPUs, agent.CorePercent()+probe.CorePercent()),
	}
	doc.Targets = append(doc.Targets, growth(loads)...)
	return doc
}

// growth returns that each process stayed as large as it was, where they were watched
// for long enough.
func growth(loads []procstat.Load) []report.Target {
	var targets []report.Target
	for _, l := range loads {
		if l.Over >= growthOver {
			targets = append(targets, report.AtMost(l.Name+", growth of its memory", "%.1f%%", maxGrowthPercent, l.GrowthPercent()))
		}
	}
	return targets
}
