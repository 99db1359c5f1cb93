//go:build !race

package monitor

import (
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/wire"
)

// TestReadingsDoNotAllocate holds what happens each second for as long as a host
// runs: a reading comes, and goes into a sample.
func TestReadingsDoNotAllocate(t *testing.T) {
	m := New(Options{Source: "auto", Every: time.Second, Log: hclog.NewNullLogger()})
	m.spare, m.reading = twoCards(), twoCards()
	dst := make([]wire.GPU, 0, 8)
	f := func() {
		m.take()
		dst = m.AppendGPUs(dst[:0])
	}
	f()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("a reading takes memory %v times", n)
	}
	if len(dst) != 2 || dst[0].State != wire.GPUOK {
		t.Errorf("the cards are %+v", dst)
	}
}
