package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// fill gives a lab's fleet so many hosts, each with so many models, of which
// three hosts have one in common.
func fill(l *lab, count, models int) {
	for h := range count {
		held := make([]fleet.HostModel, models)
		for m := range held {
			held[m] = fleet.HostModel{Name: fmt.Sprintf("model-%d-%d:latest", h/3, m), Digest: "d1", ModifiedAt: noon()}
		}
		l.join(fmt.Sprintf("h%d", h), held...)
	}
}

// fillAlike gives a lab's fleet so many hosts that all hold the same models.
func fillAlike(l *lab, count, models int) {
	held := make([]fleet.HostModel, models)
	for m := range held {
		held[m] = fleet.HostModel{Name: fmt.Sprintf("model-%d:latest", m), Digest: fmt.Sprintf("d%d", m), ModifiedAt: noon()}
	}
	for h := range count {
		l.join(fmt.Sprintf("h%d", h), held...)
	}
}

// useAll sends a request to each of so many instances, so that something is
// known of all of them.
func (l *lab) useAll(tb testing.TB, model string, count int) {
	tb.Helper()
	used := map[fleet.Target]bool{}
	var chosen []*choice
	for len(used) < count {
		c, err := l.pick(model)
		if err != nil {
			tb.Fatal(err)
		}
		l.begin(c)
		used[c.to.Report.Target] = true
		chosen = append(chosen, c)
	}
	for _, c := range chosen {
		l.put(c)
	}
}

// fillRecords picks until the records of decisions use the memory of older ones.
func (l *lab) fillRecords(tb testing.TB, model string) {
	tb.Helper()
	for range keptDecisions + 1 {
		c, err := l.pick(model)
		if err != nil {
			tb.Fatal(err)
		}
		l.put(c)
	}
}

// BenchmarkForward picks in fleets of several sizes: a pick must not cost more
// in a larger one.
func BenchmarkForward(b *testing.B) {
	for _, count := range []int{3, 30, 99} {
		b.Run(fmt.Sprintf("hosts=%d/models=200", count), func(b *testing.B) {
			l := newLab(&hosts{})
			fill(l, count, 200)
			b.ReportAllocs()
			for b.Loop() {
				chosen, err := l.pick("model-0-17")
				if err != nil {
					b.Fatal(err)
				}
				l.put(chosen)
			}
		})
	}
	b.Run("hosts=1000/models=200/holders=1000", func(b *testing.B) {
		l := newLab(&hosts{})
		fillAlike(l, 1000, 200)
		l.useAll(b, "model-17", 1000)
		l.fillRecords(b, "model-17")
		b.ReportAllocs()
		for b.Loop() {
			chosen, err := l.pick("model-17")
			if err != nil {
				b.Fatal(err)
			}
			l.put(chosen)
		}
	})
}

// BenchmarkAlias is what it costs that a model is asked for by another name: to find it,
// which is a look into a map, and to put its own name into a body of a long conversation.
func BenchmarkAlias(b *testing.B) {
	for _, name := range []string{"model-0-17:latest", "prod:latest"} {
		b.Run("pick="+name, func(b *testing.B) {
			l := newLab(&hosts{})
			fill(l, 30, 200)
			l.registry.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "prod:latest", Model: "model-0-17:latest"}})
			l.fillRecords(b, name)
			b.ReportAllocs()
			for b.Loop() {
				chosen, err := l.pick(name)
				if err != nil {
					b.Fatal(err)
				}
				l.put(chosen)
			}
		})
	}
	body := []byte(`{"model":"prod","messages":[` + strings.Repeat(`{"role":"user","content":"Why is the sky blue? And the sea?"},`, 2000) + `{"role":"user","content":"Why?"}],"stream":true}`)
	b.Run("rename", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := renameModel(body, "model-0-17:latest"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestAnAliasCostsNoAllocation(t *testing.T) {
	l := newLab(&hosts{})
	fillAlike(l, 3, 3)
	l.registry.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "prod:latest", Model: "model-1:latest"}})
	l.useAll(t, "model-1:latest", 3)
	l.fillRecords(t, "model-1:latest")
	allocations := func(name string) float64 {
		return testing.AllocsPerRun(100, func() {
			c, err := l.pick(name)
			if err != nil {
				t.Fatal(err)
			}
			l.put(c)
		})
	}
	if own, alias := allocations("model-1:latest"), allocations("prod:latest"); alias > own {
		t.Errorf("a pick by an alias allocates %v times, one by the name %v times", alias, own)
	}
}

// BenchmarkReport is what an agent's report costs, which keeps the index that
// picks use.
func BenchmarkReport(b *testing.B) {
	l := newLab(&hosts{})
	fill(l, 99, 200)
	view, err := l.registry.Find("h0")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.registry.Report("h0", 1, noon(), view.Instances)
	}
}

func TestNoHostCostsAnAllocation(t *testing.T) {
	allocations := func(count int) float64 {
		l := newLab(&hosts{})
		fillAlike(l, count, 3)
		l.useAll(t, "model-1", count)
		l.fillRecords(t, "model-1")
		return testing.AllocsPerRun(100, func() {
			c, err := l.pick("model-1")
			if err != nil {
				t.Fatal(err)
			}
			l.put(c)
		})
	}
	few, many := allocations(2), allocations(200)
	if few != many || many > 6 {
		t.Errorf("a pick among 2 hosts allocates %v times, among 200 %v", few, many)
	}
}

func TestAPickIsQuickInALargeFleet(t *testing.T) {
	l := newLab(&hosts{})
	fill(l, 99, 200)
	for _, ref := range []string{"model-0-17:latest", fleet.ModelID("model-0-17")} {
		pick := func() {
			chosen, err := l.pick(ref)
			if err != nil {
				t.Fatal(err)
			}
			l.put(chosen)
		}
		if n := testing.AllocsPerRun(100, pick); n > 8 { // as many as for three hosts; see TestNoHostCostsAnAllocation
			t.Errorf("%s: %v allocations", ref, n)
		}
		const picks = 1000
		started := time.Now()
		for range picks {
			pick()
		}
		// Microseconds, with all the room that a loaded machine may need; merging
		// all of the fleet's models took 10 ms.
		if took := time.Since(started) / picks; took > time.Millisecond {
			t.Errorf("%s: a pick takes %v", ref, took)
		}
	}
}

// BenchmarkTraces plays the traces of the simulations by each policy. What counts
// is the time to the first token, in the trace's seconds, and how often a model
// was loaded; one load for each host is what the trace of mixed options needs.
func BenchmarkTraces(b *testing.B) {
	calm := multiTurn()
	calm.Every *= 2
	for _, trace := range []struct {
		name string
		traffic
	}{{"busy", multiTurn()}, {"calm", calm}, {"options", mixedOptions()}} {
		for _, by := range []struct {
			name string
			new  func() policy
		}{
			{"in-turns", func() policy { return &roundRobin{} }},
			{"hashed", func() policy { return &hashing{} }},
			{"hashed-by-model", func() policy { return &hashing{byModel: true} }},
			{"priced", func() policy { return newPriced(b, trace.Models) }},
		} {
			b.Run("trace="+trace.name+"/policy="+by.name, func(b *testing.B) {
				var o outcome
				for b.Loop() {
					o = simulate(by.new(), trace.traffic)
				}
				b.ReportMetric(o.mean.Seconds(), "s/first-token")
				b.ReportMetric(float64(o.loads), "loads")
			})
		}
	}
}
