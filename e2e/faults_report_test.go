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
// what must not be. chats are the requests that reached an Ollama, or what stood
// in its place.
func (c *clients) report(t *testing.T, chats int64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[ended]int{}
	for _, how := range mustNot() {
		counts[how] = 0
	}
	samples, byHost := map[ended]string{}, map[string]int{}
	var retried, retries, spared int
	var slowest time.Duration
	var spare fate
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
			spare = *f
		}
		slowest = max(slowest, f.took)
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
	row(spared, "refused, and not sent to another host that could serve", spare.sample)
	row(chats, "attempts reached an Ollama or its stand-in", "")
	row(slowest.Round(time.Millisecond), "took the slowest", "")
	row("", "complete ones by host", fmt.Sprint(byHost))
	_ = rows.Flush() // into memory
	t.Logf("%d requests:\n%s", len(c.fates), table.String())

	for _, how := range mustNot() {
		if n := counts[how]; n > 0 {
			t.Errorf("%d requests ended %s: %s", n, how, samples[how])
		}
	}
	if counts[complete] == 0 {
		t.Error("no request was answered")
	}
	if retried == 0 {
		t.Error("nothing was sent to another host, though hosts failed before they answered")
	}
	if most := int64(len(c.fates) + retries); chats > most {
		t.Errorf("%d attempts reached an Ollama, of %d that were made", chats, most)
	}
}
