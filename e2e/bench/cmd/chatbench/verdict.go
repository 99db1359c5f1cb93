package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/report"
)

// What was promised of the path through Corral.
const (
	maxOverNginx = 1.8 // times what the two nginx hops add to the first token
	maxAdds      = 300 * time.Microsecond
	maxAddsAlone = 280 * time.Microsecond // with one host
	maxAddsP99   = 1500 * time.Microsecond
	minRateRatio = 0.7 // of the direct path's streams a second
)

// table returns the figures of every path.
func table(figures []figure, clients int) report.Table {
	t := report.Table{Header: []string{
		"path", "first token, median", "p95", "p99", "adds", "of nginx×2", "adds at p99",
		fmt.Sprintf("streams/s, %d clients", clients), "of direct", "complete", "broken",
	}}
	base, hasNginx := find(figures, nginx)
	for _, f := range figures {
		row := []string{
			f.name, "", "", "", "", "", "", fmt.Sprintf("%.0f", f.rate), fmt.Sprintf("%.2f", f.rateRatio),
			strconv.Itoa(f.complete), strconv.Itoa(f.broken),
		}
		if f.measured {
			row[1], row[2], row[3] = micros(f.firstToken.Median), micros(f.firstToken.P95), micros(f.firstToken.P99)
		}
		if f.measured && f.name != direct {
			row[4], row[6] = micros(f.adds), micros(f.addsP99)
		}
		if f.measured && f.name != direct && hasNginx && base.adds > 0 {
			row[5] = fmt.Sprintf("%.2f", float64(f.adds)/float64(base.adds))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func micros(d time.Duration) string {
	return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
}

func find(figures []figure, name string) (figure, bool) {
	for _, f := range figures {
		if f.name == name {
			return f, true
		}
	}
	return figure{}, false
}

// targets judges the path through Corral. Without it, or without anything to
// set it beside, a target is one that was not measured.
func targets(figures []figure, o options) []report.Target {
	over := report.Target{Name: "first token over what nginx×2 adds", Wanted: fmt.Sprintf("at most %.1f", maxOverNginx)}
	most := maxAdds
	if o.hosts == 1 {
		most = maxAddsAlone
	}
	adds := report.Target{Name: "first token over direct", Wanted: "at most " + micros(most)}
	addsP99 := report.Target{Name: "first token over direct, p99", Wanted: "at most " + micros(maxAddsP99)}
	rate := report.Target{Name: "streams/s of direct", Wanted: fmt.Sprintf("at least %.2f", minRateRatio)}
	broken := report.Target{Name: "streams that broke, on any path", Wanted: "at most 0"}
	pieces := report.Target{Name: "pieces of a complete stream", Wanted: fmt.Sprintf("all %d", o.tokens)}

	hops, hasNginx := find(figures, nginx)
	if f, ok := find(figures, corral); ok && f.measured {
		if hasNginx && hops.measured && hops.adds > 0 {
			over = report.AtMost(over.Name, "%.2f", maxOverNginx, float64(f.adds)/float64(hops.adds))
		}
		adds = report.AtMost(adds.Name, "%.0f µs", float64(most)/1e3, float64(f.adds)/1e3)
		addsP99 = report.AtMost(addsP99.Name, "%.0f µs", float64(maxAddsP99)/1e3, float64(f.addsP99)/1e3)
		rate = report.AtLeast(rate.Name, "%.2f", minRateRatio, f.rateRatio)
	}
	var breaks, complete, lines int
	for _, f := range figures {
		breaks += f.broken
		complete += f.complete
		lines += f.lines
	}
	if breaks+complete > 0 {
		broken = report.AtMost(broken.Name, "%.0f", 0, float64(breaks))
	}
	if complete > 0 {
		pieces.Measured = fmt.Sprintf("%.4g on average", float64(lines)/float64(complete)-1)
		pieces.Outcome = report.Missed
		if lines == complete*(o.tokens+1) {
			pieces.Outcome = report.Met
		}
	}
	return []report.Target{over, adds, addsP99, rate, broken, pieces}
}
