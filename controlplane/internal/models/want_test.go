package models

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

func TestAModelIsStoredAndThenOnTheHostsThatAreToHaveIt(t *testing.T) {
	b := newBench(t, newShelf(), newHosts("a", "b", "c"))
	b.take("tiny", "GGUF one")
	m := b.model("tiny")
	if m.Status != fleet.ModelStored || m.Format != "gguf" || m.SizeBytes != 8 || len(m.Files) != 1 {
		t.Errorf("stored it is %+v", m)
	}
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a", "id-c"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a", "c")
	b.await("no operation is under way", func() bool {
		return !slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return !o.State.Ended() })
	})
	m = b.model("tiny")
	want := "digest of " + digestOf([]byte("GGUF one"))[:8]
	h := b.hosts
	h.mu.Lock()
	preferred := h.preferred["tiny:latest"]
	h.mu.Unlock()
	if m.Status != fleet.ModelAvailable || m.Digest != want || preferred != want || !slices.Equal(m.WantedOn, []string{"id-a", "id-c"}) {
		t.Errorf("on hosts it is %+v", m)
	}
}

func TestHostsAreChosen(t *testing.T) {
	h := newHosts("a", "b", "c", "d")
	gib := int64(1 << 30)
	gpu := func(free int64) *fleet.Sample {
		used := 100*gib - free
		total := 100 * gib
		return &fleet.Sample{GPUs: []fleet.GPU{{UUID: "g", State: fleet.GPUOK, MemoryUsedBytes: &used, MemoryTotalBytes: &total}}}
	}
	h.views["b"].Sample = gpu(80 * gib)
	h.views["c"].Sample = gpu(90 * gib)
	h.views["c"].Labels = map[string]string{"rack": "2"}
	h.views["d"].State = fleet.HostAway
	h.views["d"].Labels = map[string]string{"rack": "2"}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.stop()
	for _, c := range []struct {
		name  string
		where Where
		want  []string
		kind  fault.Kind
	}{
		{"the placement picks where the GPUs have room", Where{}, []string{"b"}, 0},
		{"two of those where it fits best", Where{Count: 2}, []string{"b", "c"}, 0},
		{"by label, those that are away as well", Where{Labels: map[string]string{"rack": "2"}}, []string{"c", "d"}, 0},
		{"one by label, and one that is there", Where{Labels: map[string]string{"rack": "2"}, Count: 1}, []string{"c"}, 0},
		{"all", Where{All: true}, []string{"a", "b", "c", "d"}, 0},
		{"more than there are", Where{Count: 4}, nil, fault.Unavailable},
		{"one that there is not", Where{Hosts: []string{"z"}}, nil, fault.NotFound},
		{"none that has the label", Where{Labels: map[string]string{"rack": "9"}}, nil, fault.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			hosts, err := b.Want(t.Context(), "tiny", c.where)
			var names []string
			for _, h := range hosts {
				names = append(names, h.Name)
			}
			slices.Sort(names)
			if c.kind != 0 {
				if fault.KindOf(err) != c.kind {
					t.Errorf("error %v, want %v", err, c.kind)
				}
				return
			}
			if diff := cmp.Diff(c.want, names); err != nil || diff != "" {
				t.Errorf("%v, hosts (-want +got)\n%s", err, diff)
			}
			if err := b.unplace(t.Context(), b.letGo("tiny")...); err != nil { // the next one begins anew
				t.Fatal(err)
			}
		})
	}
}

func TestAHostThatWasAwayGetsItsModelsWhenItIsBack(t *testing.T) {
	h := newHosts("a")
	h.views["a"].State = fleet.HostAway
	shelf := newShelf()
	b := newBench(t, shelf, h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b = newBench(t, shelf, h) // nor does a restart forget it
	if jobs := h.done(); len(jobs) != 0 {
		t.Errorf("done on a host that is away: %v", jobs)
	}
	h.set("a", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.awaitOn("tiny", "a")
}

func TestWhatSomebodyDeletesBehindOurBackComesAgain(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a")
	b.await("the placement is settled", func() bool {
		b.mu.RLock()
		defer b.mu.RUnlock()
		return b.placed[place{"tiny:latest", "id-a", "default"}].Digest != ""
	})
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = nil })
	b.awaitOn("tiny", "a")
}

func TestALaterVersionReplacesTheOneThatWePutThere(t *testing.T) {
	h := newHosts("a")
	var replaces []string
	h.work = func(_ fleet.Target, job work.Job) error {
		replaces = job.Replaces
		return nil
	}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	first, second := "digest of "+digestOf([]byte("GGUF one"))[:8], "digest of "+digestOf([]byte("GGUF two"))[:8]
	b.await("the first is there", func() bool { return b.model("tiny").Digest == first })
	b.await("its operation has ended", func() bool { return b.model("tiny").Progress == nil })
	b.take("tiny", "GGUF two")
	b.await("the second is there", func() bool { return b.model("tiny").Digest == second })
	if !slices.Contains(replaces, first) {
		t.Errorf("the worker may replace %v", replaces)
	}
	b.await("the files of the first are gone", func() bool { return len(b.shelf.keys()) == 1 })
}

func TestWhatIsWantedOfAModel(t *testing.T) {
	h, shelf := newHosts("a"), newShelf()
	theirs := []fleet.HostModel{{Name: "base:latest", Digest: "b"}, {Name: "other:latest", Digest: "o"}}
	h.views["a"].Instances[0].Models = theirs
	var made atomic.Value // the last
	made.Store("")
	h.work = func(_ fleet.Target, job work.Job) error {
		made.Store(job.Recipe.Quantize + " " + job.Recipe.From)
		return nil
	}
	b := newBench(t, shelf, h)
	for _, from := range []string{"base", "other"} {
		p := b.parcel("tiny", "m.gguf", "GGUF one")
		p.Quantize, p.Options, p.Hosts = "q4_K_M", loader.Options{From: from}, []string{}
		if err := b.Take(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		b.await("it is made of "+from, func() bool { return made.Load() == "q4_K_M "+from && b.model("tiny").Progress == nil })
		b.stop()
		made.Store("")
		h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = theirs })
		b = newBench(t, shelf, h)
		b.await("it is made again", func() bool { return made.Load() == "q4_K_M "+from && b.model("tiny").Progress == nil })
	}
	if on := b.WantedOn("Tiny"); !slices.Equal(on, []string{"id-a"}) {
		t.Errorf("wanted on %v", on)
	}
	if hosts, err := b.Choose("nobody knows it", Where{}); err != nil || len(hosts) != 1 || hosts[0].Name != "a" {
		t.Errorf("%v, %v", hosts, err)
	}
}

// TestAModelThatNeedsANewerOllama goes to hosts that have one, and to others when they do.
func TestAModelThatNeedsANewerOllama(t *testing.T) {
	h := newHosts("a", "b")
	h.views["b"].Instances[0].Version = "0.30.1"
	h.work = func(to fleet.Target, job work.Job) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.views[to.Host].Instances[0].Version == "0.17.4" {
			return fault.New(fault.Conflict, "the model needs Ollama %s or newer", job.Recipe.Requires)
		}
		return nil
	}
	b := newBench(t, newShelf(), h)
	p := b.parcel("tiny", "m.gguf", "GGUF one")
	p.Options, p.Hosts = loader.Options{Requires: "0.20.0"}, []string{}
	if err := b.Take(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "b")
	if _, err := b.Want(t.Context(), "tiny", Where{Count: 2}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "needs Ollama 0.20.0 or newer") {
		t.Errorf("on two hosts: %v", err)
	}
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.await("the older one says why not", func() bool {
		return slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return o.Host == "a" && o.State == fleet.OperationFailed })
	})
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Version = "0.21.0" })
	b.awaitOn("tiny", "a", "b")
}

func TestWhatIsNowhere(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	_, want := b.Want(t.Context(), "none", Where{})
	_, restore := b.Restore(t.Context(), "none")
	for _, err := range []error{want, restore, b.Delete(t.Context(), "none", Deletion{})} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("error %v", err)
		}
	}
}
