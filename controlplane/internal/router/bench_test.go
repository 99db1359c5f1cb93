package router

import (
	"fmt"
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
				l.release(chosen.Target)
			}
		})
	}
	b.Run("hosts=99/holders=99", func(b *testing.B) {
		l := newLab(&hosts{})
		for h := range 99 {
			l.join(fmt.Sprintf("h%d", h), tiny())
		}
		b.ReportAllocs()
		for b.Loop() {
			chosen, err := l.pick("tiny:latest")
			if err != nil {
				b.Fatal(err)
			}
			l.release(chosen.Target)
		}
	})
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

func TestAPickIsQuickInALargeFleet(t *testing.T) {
	l := newLab(&hosts{})
	fill(l, 99, 200)
	for _, ref := range []string{"model-0-17:latest", fleet.ModelID("model-0-17")} {
		pick := func() {
			chosen, err := l.pick(ref)
			if err != nil {
				t.Fatal(err)
			}
			l.release(chosen.Target)
		}
		if n := testing.AllocsPerRun(100, pick); n > 1 {
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
