package operations

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// BenchmarkSince is what it costs whoever follows the operations to hear that one of many
// has changed.
func BenchmarkSince(b *testing.B) {
	for _, changed := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("%d of 20000", changed), func(b *testing.B) {
			bench := newBench(b, nil)
			jobs := make([]*Job, 20_000)
			for i := range jobs {
				jobs[i] = bench.Begin(What{Kind: fleet.DownloadOperation, Model: "m", HostID: fmt.Sprint(i)})
			}
			_, since, _ := bench.Since(0)
			for _, i := range rand.Perm(len(jobs))[:changed] {
				jobs[i].Progress("fetching", 1, 2, "")
			}
			b.ReportAllocs()
			for b.Loop() {
				if changes, _, _ := bench.Since(since); len(changes) != changed {
					b.Fatalf("%d have changed", len(changes))
				}
			}
		})
	}
}

// What has changed is told once, in the order of the last changes, and what is forgotten is
// not told any more.
func TestSinceTellsOfTheLastChanges(t *testing.T) {
	b := newBench(t, nil)
	jobs := make([]*Job, 4)
	for i := range jobs {
		jobs[i] = b.Begin(What{Kind: fleet.DownloadOperation, Model: fmt.Sprint("m", i), HostID: "h1"})
	}
	want := func(since uint64, models ...string) uint64 {
		t.Helper()
		changes, version, _ := b.Since(since)
		var told []string
		for _, o := range changes {
			told = append(told, o.Model)
		}
		if diff := cmp.Diff(models, told); diff != "" {
			t.Errorf("since %d (-want +got)\n%s", since, diff)
		}
		return version
	}
	begun := want(0, "m0", "m1", "m2", "m3")
	jobs[2].Progress("fetching", 1, 2, "")
	jobs[0].Progress("fetching", 1, 2, "")
	later := want(begun, "m2", "m0")
	jobs[2].Progress("fetching", 2, 2, "")
	jobs[3].End(nil)
	want(later, "m2", "m3")
	want(begun, "m0", "m2", "m3")
	want(0, "m1", "m0", "m2", "m3")

	b.at = b.at.Add(retention + time.Second)
	b.prune(t.Context())
	want(0, "m1", "m0", "m2")
	if n := b.latest.Len(); n != 3 {
		t.Errorf("%d changes are kept of three operations", n)
	}
	b.save(t.Context(), true)
	b = newBench(t, b.store)
	want(0) // what was before a restart is no change
	for _, o := range b.UnderWay() {
		if o.Model == "m1" {
			b.Begin(What{Kind: o.Kind, Model: o.Model, HostID: o.HostID}).Progress("fetching", 1, 2, "")
		}
	}
	want(0, "m1")
}
