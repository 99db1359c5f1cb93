package fleet_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

func find(t *testing.T, r *fleet.Registry, ref string) fleet.HostView {
	t.Helper()
	view, err := r.Find(ref)
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func TestAHostIsFoundByIDAndByName(t *testing.T) {
	r := registry("h1", "h2")
	for _, ref := range []string{"h2", "name of h2"} {
		if view := find(t, r, ref); view.ID != "h2" {
			t.Errorf("Find(%q) is %q", ref, view.ID)
		}
	}
	if _, err := r.Find("h3"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a host that is not there: %v", err)
	}
	r.Remove("h2")
	if _, err := r.Find("h2"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a host that was removed: %v", err)
	}
}

func TestHostsAreOrderedByName(t *testing.T) {
	r := fleet.NewRegistry([]fleet.Host{{ID: "1", Name: "c"}, {ID: "2", Name: "a"}, {ID: "3", Name: "b"}})
	var names []string
	for _, h := range r.Hosts() {
		if h.State != fleet.HostAway {
			t.Errorf("%s is %s before its agent came", h.Name, h.State)
		}
		names = append(names, h.Name)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnOlderSessionIsIgnored(t *testing.T) {
	r := registry("h1")
	if !r.Connect("h1", 3, noon(), 0) {
		t.Fatal("a newer session was refused")
	}
	r.Report("h1", 3, noon(), []fleet.Instance{ready("default")})
	if r.Connect("h1", 2, noon(), time.Hour) {
		t.Error("an older session began")
	}
	r.Report("h1", 2, noon(), nil)
	r.Observe("h1", 2, noon(), &fleet.Sample{})
	r.SetClockOffset("h1", 2, time.Hour)
	r.Disconnect("h1", 2, noon(), fleet.HostAway)
	view := find(t, r, "h1")
	if view.State != fleet.HostOnline || len(view.Instances) != 1 || view.Sample != nil || view.ClockOffset != 0 {
		t.Errorf("an older session changed the host to %+v", view)
	}
}

func TestAnUnknownHostCannotConnect(t *testing.T) {
	if fleet.NewRegistry(nil).Connect("h1", 1, noon(), 0) {
		t.Error("it did")
	}
}

func TestTheEndOfASessionForgetsWhatItTold(t *testing.T) {
	r := registry("h1")
	r.Report("h1", 1, noon(), []fleet.Instance{ready("default")})
	r.Observe("h1", 1, noon(), &fleet.Sample{InFlight: 3})
	if view := find(t, r, "h1"); view.Sample == nil || len(view.Instances) != 1 {
		t.Fatalf("nothing to forget in %+v", view)
	}
	later := noon().Add(time.Minute)
	r.Disconnect("h1", 1, later, fleet.HostStopped)
	r.Observe("h1", 1, later, &fleet.Sample{}) // was under way
	view := find(t, r, "h1")
	if view.State != fleet.HostStopped || view.Sample != nil || view.Instances != nil || !view.SeenAt.Equal(later) {
		t.Errorf("afterwards the host is %+v", view)
	}
}

func TestProblemsDegradeAHost(t *testing.T) {
	r := registry("h1")
	r.SetProblem("h1", fleet.Problem{Code: "zebra", Message: "stripes"})
	r.SetClockOffset("h1", 1, -7*time.Second)
	failed := fleet.Instance{Name: "a", State: fleet.InstanceFailed, Reason: "crash_loop", Message: "it keeps crashing"}
	r.Report("h1", 1, noon(), []fleet.Instance{failed, {Name: "b", State: fleet.InstanceStopped}, {Name: "c", State: fleet.InstanceStarting}})
	view := find(t, r, "h1")
	want := []fleet.Problem{
		{Code: "zebra", Message: "stripes"},
		{Code: "clock_offset", Message: "the host's clock is off by -7s"},
		{Code: "crash_loop", Message: "it keeps crashing"},
		{Code: "ollama_stopped", Message: "its Ollama is stopped"},
	}
	if diff := cmp.Diff(want, view.Problems); diff != "" || view.State != fleet.HostDegraded {
		t.Errorf("state %s, problems (-want +got)\n%s", view.State, diff)
	}

	r.SetProblem("h1", fleet.Problem{Code: "zebra"})
	r.SetClockOffset("h1", 1, 0)
	r.Report("h1", 1, noon(), []fleet.Instance{ready("a")})
	if view := find(t, r, "h1"); view.State != fleet.HostOnline || len(view.Problems) != 0 {
		t.Errorf("when all is well again: %s, %v", view.State, view.Problems)
	}
}

func TestPutKeepsTheSession(t *testing.T) {
	r := registry("h1")
	r.Report("h1", 1, noon(), []fleet.Instance{ready("default")})
	r.Put(fleet.Host{ID: "h1", Name: "renamed", Draining: true, SeenAt: noon().Add(-time.Hour)})
	if view := find(t, r, "renamed"); view.State != fleet.HostOnline || !view.Draining || len(view.Instances) != 1 || !view.SeenAt.Equal(noon()) {
		t.Errorf("the host is %+v", view)
	}
}

func TestChangedTellsOfEverythingButSamples(t *testing.T) {
	r := registry("h1")
	for _, step := range []struct {
		name    string
		do      func()
		changes bool
	}{
		{"put", func() { r.Put(fleet.Host{ID: "h1", Name: "other"}) }, true},
		{"connect", func() { r.Connect("h1", 2, noon(), 0) }, true},
		{"report", func() { r.Report("h1", 2, noon(), nil) }, true},
		{"report of an older session", func() { r.Report("h1", 1, noon(), nil) }, false},
		{"sample", func() { r.Observe("h1", 2, noon(), &fleet.Sample{}) }, false},
		{"clock", func() { r.SetClockOffset("h1", 2, 1) }, true},
		{"problem", func() { r.SetProblem("h1", fleet.Problem{Code: "a", Message: "b"}) }, true},
		{"the same problem", func() { r.SetProblem("h1", fleet.Problem{Code: "a", Message: "b"}) }, false},
		{"the problem's end", func() { r.SetProblem("h1", fleet.Problem{Code: "a"}) }, true},
		{"its end again", func() { r.SetProblem("h1", fleet.Problem{Code: "a"}) }, false},
		{"disconnect", func() { r.Disconnect("h1", 2, noon(), fleet.HostAway) }, true},
		{"removal", func() { r.Remove("h1") }, true},
		{"removal of nobody", func() { r.Remove("h1") }, false},
	} {
		changed := r.Changed()
		if step.do(); closed(changed) != step.changes {
			t.Errorf("%s: changed is %v, want %v", step.name, !step.changes, step.changes)
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestRegistryTakesConcurrentUse(t *testing.T) {
	r := registry("h0", "h1", "h2", "h3")
	var working sync.WaitGroup
	for w := range 4 {
		id := fmt.Sprintf("h%d", w)
		working.Go(func() {
			for i := range uint64(200) {
				r.Connect(id, i, noon(), 0)
				r.Report(id, i, noon(), []fleet.Instance{ready("default", model("tiny", fmt.Sprint(i%3), 1))})
				r.Observe(id, i, noon(), &fleet.Sample{})
				r.SetProblem(id, fleet.Problem{Code: "p", Message: fmt.Sprint(i)})
				if i%10 == 9 {
					r.Disconnect(id, i, noon(), fleet.HostAway)
				}
			}
		})
		working.Go(func() {
			var room []fleet.Holder
			for range 200 {
				r.Changed()
				fleet.ModelsOf(r.Hosts())
				room = r.Holders(room[:0], "tiny")
			}
		})
	}
	working.Wait()
	if got := len(r.Holders(nil, "tiny")); got == 0 || got > 4 {
		t.Errorf("in the end %d instances hold the model, want 1 to 4", got)
	}
}
