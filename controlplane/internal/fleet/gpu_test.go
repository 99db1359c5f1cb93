package fleet_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestAGPUThatIsUnwellMakesItsHostDegraded(t *testing.T) {
	r := registry("a")
	observe := func(gpus ...fleet.GPU) (changed bool) {
		t.Helper()
		waiting := r.Changed()
		r.Observe("a", 1, noon(), &fleet.Sample{TakenAt: noon(), GPUs: gpus})
		select {
		case <-waiting:
			return true
		default:
			return false
		}
	}
	want := func(state fleet.HostState, problems ...fleet.Problem) {
		t.Helper()
		v, err := r.Find("a")
		if err != nil {
			t.Fatal(err)
		}
		if v.State != state || len(v.Problems) != len(problems) {
			t.Fatalf("the host is %s with %v, want %s with %v", v.State, v.Problems, state, problems)
		}
		for i := range problems {
			if diff := cmp.Diff(problems[i], v.Problems[i]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
	}
	well := fleet.GPU{UUID: "GPU-0", Name: "Example", State: fleet.GPUOK}
	mute := fleet.GPU{UUID: "GPU-1", Index: 1, State: fleet.GPUUnknown}
	observe(well, mute)
	want(fleet.HostOnline)

	lost, hot := mute, well
	lost.State = fleet.GPULost
	hot.State, hot.Message = fleet.GPUDegraded, "it is too hot"
	if !observe(hot, lost) {
		t.Error("nobody is told of a GPU that was lost")
	}
	ill := []fleet.Problem{
		{Code: "gpu_degraded", Message: "GPU 0 (Example) is degraded: it is too hot"},
		{Code: "gpu_lost", Message: "GPU 1 (GPU-1) is lost"},
	}
	want(fleet.HostDegraded, ill...)
	busy := 99.0
	hot.UtilizationPercent = &busy
	if observe(hot, lost) {
		t.Error("a number is told of as a change")
	}
	want(fleet.HostDegraded, ill...)
	if !observe(well, mute) {
		t.Error("nobody is told of a GPU that is well again")
	}
	want(fleet.HostOnline)

	observe(hot, lost)
	r.Disconnect("a", 1, noon(), fleet.HostAway)
	want(fleet.HostAway)
}

func TestHoldersKnowWhatTheirGPUsHaveToSpare(t *testing.T) {
	r := registry("a")
	r.Report("a", 1, noon(), []fleet.Instance{ready("default", model("tiny", "d1", 1))})
	const gib = 1 << 30
	has := func(used, total int64) fleet.GPU { return fleet.GPU{MemoryUsedBytes: &used, MemoryTotalBytes: &total} }
	reserved := has(10*gib, 80*gib)
	reserved.MemoryReservedBytes = new(int64(gib))
	lost := has(0, 80*gib)
	lost.State = fleet.GPULost
	for name, c := range map[string]struct {
		gpus  []fleet.GPU
		free  int64
		known bool
	}{
		"none":              {nil, 0, false},
		"two":               {[]fleet.GPU{has(10*gib, 80*gib), has(80*gib, 80*gib)}, 70 * gib, true},
		"full":              {[]fleet.GPU{has(80*gib, 80*gib)}, 0, true},
		"some is reserved":  {[]fleet.GPU{reserved}, 69 * gib, true},
		"one is lost":       {[]fleet.GPU{lost, has(79*gib, 80*gib)}, gib, true},
		"one does not tell": {[]fleet.GPU{has(0, 80*gib), {UUID: "GPU-1"}}, 0, false},
	} {
		r.Observe("a", 1, noon(), &fleet.Sample{TakenAt: noon(), GPUs: c.gpus})
		free, known := r.Holders(nil, "tiny")[0].Report.GPUMemory.FreeBytes()
		if known != c.known || known && free != c.free {
			t.Errorf("%s: %d bytes are free, %v", name, free, known)
		}
	}
}

func TestHowGPUsAreRead(t *testing.T) {
	r := registry("a")
	report := func(report fleet.GPUReport) (changed bool) {
		t.Helper()
		waiting := r.Changed()
		r.ReportGPUs("a", 1, noon(), &report)
		select {
		case <-waiting:
			return true
		default:
			return false
		}
	}
	want := func(state fleet.HostState, codes ...string) {
		t.Helper()
		v := find(t, r, "a")
		var got []string
		for _, p := range v.Problems {
			if p.Message == "" {
				t.Errorf("%s has no sentence", p.Code)
			}
			got = append(got, p.Code)
		}
		if diff := cmp.Diff(codes, got); diff != "" || v.State != state {
			t.Errorf("the host is %s, want %s (-want +got)\n%s", v.State, state, diff)
		}
	}
	if !report(fleet.GPUReport{State: fleet.GPUsOK}) {
		t.Error("nobody is told of the first report")
	}
	if report(fleet.GPUReport{State: fleet.GPUsOK, Cards: []fleet.GPUCard{{UUID: "GPU-0", Figures: map[string]int64{"p_state": 1}}}}) {
		t.Error("a number of a card is told of as a change")
	}
	if cards := find(t, r, "a").GPUReport.Cards; len(cards) != 1 {
		t.Errorf("the cards are %v", cards)
	}
	want(fleet.HostOnline)
	for _, fine := range []fleet.GPUReading{fleet.GPUsNone, fleet.GPUsOff, fleet.GPUsStarting, fleet.GPUsReleased, fleet.GPUsUnknown} {
		report(fleet.GPUReport{State: fine, Message: "as it should be"})
		want(fleet.HostOnline)
	}
	if !report(fleet.GPUReport{State: fleet.GPUsNoDriver}) {
		t.Error("nobody is told of a driver that is missing")
	}
	want(fleet.HostDegraded, "gpus_no_driver")
	report(fleet.GPUReport{State: fleet.GPUsOK, Conditions: []fleet.Problem{{Code: "kernel_log_unreadable", Message: "x"}, {Code: "driver_replaced", Message: "y"}}})
	want(fleet.HostDegraded, "gpus_driver_replaced")

	r.Disconnect("a", 1, noon(), fleet.HostAway)
	if v := find(t, r, "a"); v.GPUReport != nil {
		t.Errorf("of a host that is away is told %+v", v.GPUReport)
	}
	r.ReportGPUs("a", 1, noon(), &fleet.GPUReport{State: fleet.GPUsOK})
	if v := find(t, r, "a"); v.GPUReport != nil {
		t.Error("a late report is taken")
	}
}
