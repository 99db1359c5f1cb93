package agent

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestAReportFitsAFrame(t *testing.T) {
	f := func(count, nameLength int, whole bool) {
		t.Helper()
		in := wire.Instance{State: wire.InstanceReady, Models: make([]wire.Model, count)}
		for i := range in.Models {
			in.Models[i] = wire.Model{Name: strings.Repeat("n", nameLength), Digest: strings.Repeat("d", 64)}
		}
		out := fit(in)
		size := len(wire.AppendFrame(nil, &wire.Instances{List: []wire.Instance{out}}))
		if size > wire.MaxFrame {
			t.Errorf("%d models with names of %d make a frame of %d bytes", count, nameLength, size)
		}
		if got := len(out.Models) == count && out.Reason == ""; got != whole {
			t.Errorf("%d models with names of %d: %d reported, reason %q", count, nameLength, len(out.Models), out.Reason)
		}
	}
	f(0, 0, true)
	f(500, 300, true)
	f(8000, 40, true)
	f(8001, 40, false)
	f(20, 1<<20, false)
}
