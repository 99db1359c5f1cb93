package fleet_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// holders returns who holds a model, as "host/instance" with a mark for those
// that don't serve.
func holders(r *fleet.Registry, ref string) []string {
	var out []string
	for _, h := range r.Holders(nil, ref) {
		mark := ""
		if !h.Serves {
			mark = " (not now)"
		}
		out = append(out, h.Report.Target.HostID+"/"+h.Report.Target.Instance+mark)
	}
	slices.Sort(out)
	return out
}

func wantHolders(t *testing.T, r *fleet.Registry, ref string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, holders(r, ref)); diff != "" {
		t.Errorf("who holds %q (-want +got)\n%s", ref, diff)
	}
}

func TestAModelIsFoundByNameByIDAndByDigest(t *testing.T) {
	r := registry("h1", "h2", "h3")
	r.Report("h1", 1, noon(), []fleet.Instance{ready("a", model("tiny", "d1", 1)), ready("b", model("tiny:latest", "d1", 1))})
	r.Report("h2", 1, noon(), []fleet.Instance{ready("a", model("tiny:latest", "d1", 1), model("other", "d7", 1))})
	r.Report("h3", 1, noon(), []fleet.Instance{ready("a", model("tiny:latest", "d2", 1))})

	common := []string{"h1/a", "h1/b", "h2/a"} // the digest that most hosts hold
	for _, ref := range []string{"tiny", "tiny:latest", " tiny", fleet.ModelID("tiny"), "tiny@sha256:d1", fleet.ModelID("tiny") + "@sha256:d1"} {
		wantHolders(t, r, ref, common...)
	}
	r.Prefer(map[string]string{"tiny:latest": "d2", "other:latest": "d9"}, nil)
	wantHolders(t, r, "tiny", "h3/a") // fewer hold it, and it is what the catalogue has
	wantHolders(t, r, "other", "h2/a")
	r.Prefer(nil, nil)
	wantHolders(t, r, "tiny", common...)
	wantHolders(t, r, "tiny@sha256:d2", "h3/a")
	wantHolders(t, r, "tiny@sha256:d9")
	wantHolders(t, r, "other", "h2/a")
	wantHolders(t, r, "absent")
	wantHolders(t, r, "")

	want := fleet.Holder{
		Report: &fleet.Report{
			Target: fleet.Target{HostID: "h2", Host: "name of h2", Instance: "a"}, ToldAt: noon(), Run: fleet.Run{Epoch: 1},
		},
		Number: 3, Name: "other", Digest: "d7", SizeBytes: 1,
		Serves: true, Routes: fleet.ResponsesRoute | fleet.MessagesRoute,
	}
	if diff := cmp.Diff([]fleet.Holder{want}, r.Holders(nil, "other"), cmpopts.IgnoreFields(fleet.Report{}, "GPUMemory")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHoldersKnowWhatIsLoadedAndBusy(t *testing.T) {
	r := registry("h1")
	instance := ready("a", model("tiny", "d1", 1), model("other", "d2", 1))
	instance.Loaded = []fleet.LoadedModel{{Name: "tiny:latest", Digest: "d1"}, {Name: "other:latest", Digest: "older"}}
	instance.InFlight = 4
	r.Report("h1", 1, noon(), []fleet.Instance{instance})
	if h := r.Holders(nil, "tiny")[0]; !h.Loaded || h.InFlight != 4 {
		t.Errorf("tiny: %+v", h)
	}
	if h := r.Holders(nil, "other")[0]; h.Loaded {
		t.Errorf("another version is loaded, not this one: %+v", h)
	}
}

func TestWhatAHostHeldIsRememberedUntilItTellsAnew(t *testing.T) {
	r := registry("h1")
	r.Report("h1", 1, noon(), []fleet.Instance{ready("a", model("tiny", "d1", 1))})
	wantHolders(t, r, "tiny", "h1/a")
	r.Disconnect("h1", 1, noon(), fleet.HostAway)
	wantHolders(t, r, "tiny", "h1/a (not now)")
	r.Connect("h1", 2, noon(), 0)
	wantHolders(t, r, "tiny", "h1/a (not now)") // what it holds now has not been told
	r.Report("h1", 2, noon(), []fleet.Instance{ready("a", model("other", "d2", 1))})
	wantHolders(t, r, "tiny")
	wantHolders(t, r, fleet.ModelID("tiny"))
	wantHolders(t, r, fleet.ModelID("other"), "h1/a")
	r.Remove("h1")
	wantHolders(t, r, "other")
}

func TestOnlyWhoCanServeServes(t *testing.T) {
	r := registry("h1")
	instance := ready("a", model("tiny", "d1", 1))
	for _, state := range []fleet.InstanceState{
		fleet.InstanceUnknown, fleet.InstanceStarting, fleet.InstanceDegraded, fleet.InstanceStopped, fleet.InstanceFailed,
	} {
		instance.State = state
		r.Report("h1", 1, noon(), []fleet.Instance{instance})
		wantHolders(t, r, "tiny", "h1/a (not now)")
	}
	instance.State = fleet.InstanceReady
	r.Report("h1", 1, noon(), []fleet.Instance{instance})
	wantHolders(t, r, "tiny", "h1/a")
	r.Put(fleet.Host{ID: "h1", Name: "h1", Draining: true})
	wantHolders(t, r, "tiny", "h1/a (not now)")
	r.Put(fleet.Host{ID: "h1", Name: "h1"})
	r.Leave("h1", 0) // of an older session
	wantHolders(t, r, "tiny", "h1/a")
	r.Leave("h1", 1)
	r.Report("h1", 1, noon(), []fleet.Instance{instance})
	wantHolders(t, r, "tiny", "h1/a (not now)")
	r.Connect("h1", 2, noon(), 0)
	r.Report("h1", 2, noon(), []fleet.Instance{instance})
	wantHolders(t, r, "tiny", "h1/a")
}

// A host that is away has no say in what a name stands for.
func TestHostsThatAreAwayDontVote(t *testing.T) {
	r := registry("h1", "h2", "h3")
	for _, id := range []string{"h1", "h2"} {
		r.Report(id, 1, noon(), []fleet.Instance{ready("a", model("tiny", "old", 1))})
	}
	r.Report("h3", 1, noon(), []fleet.Instance{ready("a", model("tiny", "new", 1))})
	wantHolders(t, r, "tiny", "h1/a", "h2/a")
	r.Disconnect("h1", 1, noon(), fleet.HostAway)
	r.Disconnect("h2", 1, noon(), fleet.HostStopped)
	wantHolders(t, r, "tiny", "h3/a")
	r.Disconnect("h3", 1, noon(), fleet.HostAway)
	wantHolders(t, r, "tiny", "h1/a (not now)", "h2/a (not now)", "h3/a (not now)")
}

func TestHoldersAgreesWithModelsOf(t *testing.T) {
	r := registry("h1", "h2", "h3", "h4")
	for i, id := range []string{"h1", "h2", "h3", "h4"} {
		var models []fleet.HostModel
		for m := range 12 {
			if (m+i)%3 != 0 {
				models = append(models, model(fmt.Sprintf("m%d", m), fmt.Sprintf("d%d", (m*i)%2), 1))
			}
		}
		r.Report(id, 1, noon(), []fleet.Instance{ready("a", models...)})
	}
	r.Disconnect("h4", 1, noon(), fleet.HostAway)
	models := fleet.ModelsOf(r.Hosts())
	if len(models) != 12 {
		t.Fatalf("%d models, want 12", len(models))
	}
	for _, m := range models {
		var want []string
		for _, at := range m.Residencies {
			if at.Digest == m.Digest {
				want = append(want, at.HostID+"/"+at.Instance)
			}
		}
		var got []string
		for _, h := range r.Holders(nil, m.ID) {
			if h.Serves {
				got = append(got, h.Report.Target.HostID+"/"+h.Report.Target.Instance)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-ModelsOf +Holders)\n%s", m.Name, diff)
		}
	}
}

func TestHoldersAllocatesNothing(t *testing.T) {
	r := registry("h1", "h2")
	for _, id := range []string{"h1", "h2"} {
		r.Report(id, 1, noon(), []fleet.Instance{ready("a", model("tiny:latest", "d1", 1))})
	}
	r.Prefer(nil, fleet.Aliases{"prod:latest": {Name: "prod:latest", Model: "tiny:latest"}})
	room := make([]fleet.Holder, 0, 4)
	id := fleet.ModelID("tiny")
	for _, ref := range []string{"tiny:latest", id, "prod:latest"} {
		if n := testing.AllocsPerRun(100, func() { room = r.Holders(room[:0], ref) }); n != 0 {
			t.Errorf("%s: %v allocations", ref, n)
		}
	}
}
