//go:build !race

package uplink

import (
	"io"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

// TestSamplesDoNotAllocate holds what happens each second for as long as a host
// runs: with a control plane that acknowledges, and for hours without one.
func TestSamplesDoNotAllocate(t *testing.T) {
	r := NewRing(16, nil)
	s := &session{Uplink: New(Options{Samples: r}), out: wire.NewWriter(io.Discard)}
	sample := wire.Sample{
		CPU:   wire.CPU{Known: true, PerCorePercent: make([]float32, 64)},
		Disks: []wire.Disk{{Mount: "/", Device: "/dev/sda1", FileSystem: "ext4", TotalBytes: 1 << 40}},
		GPUs:  make([]wire.GPU, 8),
	}
	// Numbers grow on the wire; these have the same size as those to come.
	r.lastSeq, s.sentSeq = 1<<20, 1<<20
	none := func(what string, f func()) {
		t.Helper()
		for range 64 {
			f()
		}
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations a sample, want 0", what, n)
		}
	}
	none("acknowledged", func() {
		r.Push(&sample)
		if err := s.sendSamples(); err != nil {
			t.Error(err)
		}
		r.Forget(sample.Seq)
	})
	none("never acknowledged", func() { r.Push(&sample) })
	if r.Len() != 16 {
		t.Errorf("%d samples are held", r.Len())
	}
}
