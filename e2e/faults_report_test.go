package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// report logs one table of what became of the requests, and wants nothing of
// what must not be. asked are the requests that reached an Ollama, or what stood
// in its place, and begun the answers of which the head came from there.
func (c *clients) report(t *testing.T, asked, begun int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[ended]int{}
	for _, how := range mustNot() {
		counts[how] = 0
	}
	samples, byHost := map[ended]string{}, map[string]int{}
	var retried, retries, spared, untold int
	var slowest time.Duration
	for i := range c.fates {
		f := &c.fates[i]
		counts[f.how]++
		if samples[f.how] == "" {
			samples[f.how] = f.sample
		}
		if f.how == complete {
			byHost[f.host]++
		}
		if f.retries > 0 {
			retried++
		}
		retries += f.retries
		if f.spared {
			spared++
		}
		if f.decision == "" {
			untold++
		}
		slowest = max(slowest, f.over.Sub(f.began))
		if f.unread != nil {
			t.Errorf("a decision cannot be read: %v", f.unread)
		}
	}

	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	row := func(n any, what, remark string) { fmt.Fprintf(rows, "%v\t%s\t%s\n", n, what, remark) }
	row(len(c.fates), "requests", "")
	for _, how := range slices.Sorted(maps.Keys(counts)) {
		row(counts[how], "  "+string(how), samples[how])
	}
	row(retried, "sent to another host", fmt.Sprintf("%d times in all", retries))
	row(spared, "refused, and not sent to another host", "as too many were just then")
	row(untold, "without a decision in the header", "as they began while they waited in line, or nobody could serve")
	row(asked, "reached an Ollama or its stand-in", "")
	row(begun, "answers began there", "")
	row(slowest.Round(time.Millisecond), "took the slowest", "")
	row("", "complete ones by host", fmt.Sprint(byHost))
	_ = rows.Flush() // into memory
	t.Logf("what became of the requests:\n%s", table.String())

	for _, how := range mustNot() {
		if n := counts[how]; n > 0 {
			t.Errorf("%d requests ended %s: %s", n, how, samples[how])
		}
	}
	if counts[complete] == 0 {
		t.Error("no request was answered")
	}
	if most := int64(len(c.fates) + retries + untold*mostRetries); begun > most {
		t.Errorf("%d answers began, and only %d were asked for", begun, most)
	}
	c.wantRetries(t, retried)
}

// A request is sent again so often at most. The budget for that allows so many in
// any case, within so long; the second is for the time that an answer takes to
// arrive.
const (
	mostRetries   = 2
	retriesFloor  = 10
	retriesWindow = 10*time.Second + time.Second
)

// wantRetries wants what could be sent to another host to have been, unless the
// budget for that was used up.
func (c *clients) wantRetries(t *testing.T, retried int) {
	t.Helper()
	if retried == 0 {
		t.Error("nothing was sent to another host, though hosts failed before they answered")
	}
	for i := range c.fates {
		f := &c.fates[i]
		if !f.spared {
			continue
		}
		recent := 0
		for j := range c.fates {
			if other := &c.fates[j]; other.began.Before(f.over) && other.over.After(f.over.Add(-retriesWindow)) {
				recent += other.retries
			}
		}
		if recent < retriesFloor {
			t.Errorf("%s was not sent to another host, as only %d others were just then: %s", f.decision, recent, f.sample)
		}
	}
}
