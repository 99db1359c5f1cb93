package hostmetrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func BenchmarkSampleOfThisMachine(b *testing.B) {
	s := New(Options{})
	s.refreshMounts(b.Context())
	s.refreshSensors(b.Context())
	benchmarkSample(b, s)
}

// BenchmarkSampleOfALargeMachine has 256 cores, with the interrupt counters and
// the disks that come with them.
func BenchmarkSampleOfALargeMachine(b *testing.B) {
	m := newMachine(b)
	var stat, disks strings.Builder
	stat.WriteString(statHead)
	for i := range 256 {
		fmt.Fprintf(&stat, "cpu%d 1234567 2345 3234234 423432432 5345345 6 745 0 0 0\n", i)
	}
	stat.WriteString("intr 1234567890" + strings.Repeat(" 123", 4000) + "\n")
	for i := range 24 {
		fmt.Fprintf(&disks, "259 %d nvme%dn1 1 0 2 3 4 0 6 7 0 8 9\n", i, i)
	}
	m.write("proc/stat", stat.String())
	m.write("proc/diskstats", disks.String())
	benchmarkSample(b, m.sampler())
}

func benchmarkSample(b *testing.B, s *Sampler) {
	var dst wire.Sample
	b.ReportAllocs()
	for b.Loop() {
		s.Sample(b.Context(), &dst)
	}
}
