package models

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/loader"
)

const gib = 1 << 30

// withA70B returns stores with a model of 40 GiB of which the header is known.
func withA70B(t *testing.T) *shelf {
	t.Helper()
	info, err := json.Marshal(loader.Info{
		Kind: loader.KindModel, Format: "gguf", Architecture: "llama", Geometry: map[loader.Role][]byte{loader.RoleModel: gguftest.Llama33of70B().Read().Condense()},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf()
	s.models["big:70b"] = fleet.StoredModel{Name: "big:70b", Loader: "gguf", Info: info, Digest: "d70", Files: []fleet.ModelFile{{Path: "m.gguf", SizeBytes: 40 * gib}}}
	return s
}

// have gives a host a GPU with so much memory free, and main memory. 0 is no GPU.
func (h *hosts) have(name string, gpuBytes, mainBytes int64) {
	h.set(name, func(v *fleet.HostView) {
		used := int64(0)
		v.Sample = &fleet.Sample{Memory: &fleet.Memory{AvailableBytes: mainBytes}, GPUs: []fleet.GPU{{UUID: "g-" + name, MemoryTotalBytes: &gpuBytes, MemoryUsedBytes: &used}}}
		v.GPUReport = &fleet.GPUReport{State: fleet.GPUsOK}
		if gpuBytes == 0 {
			v.Sample.GPUs, v.GPUReport.State = nil, fleet.GPUsNone
		}
	})
}

func TestWhereAModelFitsIsWhereItGoesFirst(t *testing.T) {
	h := newHosts("a", "b", "c", "d", "e", "f")
	h.have("a", 0, 8*gib) // no
	h.have("b", 16*gib, 64*gib)
	h.have("c", 400*gib, 64*gib) // fits with the context that Ollama takes there
	h.have("d", 24*gib, 64*gib)
	h.have("e", 500*gib, 64*gib)                           // fits as well, with more room
	h.set("f", func(v *fleet.HostView) { v.Sample = nil }) // nothing is known, and it counts as what spills all
	h.set("c", func(v *fleet.HostView) { v.Instances[0].Models = []fleet.HostModel{{Name: "one"}} })
	b := newBench(t, withA70B(t), h)
	stored, err := b.Stored("big:70b")
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, v := range b.rank(&stored, h.Hosts()) {
		order = append(order, v.Name)
	}
	if want := []string{"e", "c", "b", "d", "f", "a"}; !slices.Equal(order, want) {
		t.Errorf("the order is %v, want %v", order, want)
	}
	fits, err := b.Fits("big:70b", nil, fit.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	var verdicts []fit.Verdict
	for _, f := range fits {
		verdicts = append(verdicts, f.Verdict)
	}
	if want := []fit.Verdict{fit.No, fit.Spills, fit.Fits, fit.Spills, fit.Fits, fit.Unknown}; !slices.Equal(verdicts, want) {
		t.Errorf("the verdicts are %v, want %v", verdicts, want)
	}
	// The one that has it comes first all the same.
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = []fleet.HostModel{{Name: "big:70b", Digest: "d70"}} })
	if first := b.rank(&stored, h.Hosts())[0].Name; first != "a" {
		t.Errorf("first comes %s", first)
	}
}

func TestWhatIsLoadedIsMeasured(t *testing.T) {
	h := newHosts("a", "b")
	h.have("a", 80*gib, 64*gib)
	h.have("b", 80*gib, 64*gib)
	b := newBench(t, withA70B(t), h)
	ask := fit.Ask{ContextTokens: 8192}
	on := func(host string) fit.Fit {
		fits, err := b.Fits("big:70b", []string{host}, ask)
		if err != nil || len(fits) != 1 || fits[0].Host != host {
			t.Fatalf("%+v, %v", fits, err)
		}
		return fits[0]
	}
	before := on("a")
	took := before.TotalBytes + gib
	h.set("a", func(v *fleet.HostView) {
		v.Instances[0].Models = []fleet.HostModel{{Name: "big:70b", Digest: "d70"}, {Name: "other", Digest: "d1"}}
		v.Instances[0].Loaded = []fleet.LoadedModel{
			{Name: "other", Digest: "d1", SizeBytes: 1, ContextLength: 8192}, // which isn't ours
			{Name: "big:70b", Digest: "d70", SizeBytes: took, SizeVRAMBytes: took, ContextLength: 8192},
		}
	})
	b.await("it is measured", func() bool { return on("a").Source == fit.Measured })
	if f := on("a"); f.MeasuredBytes != took || f.Verdict != fit.Fits || f.CorrectionBytes <= 0 {
		t.Errorf("%+v", f)
	}
	// It is remembered when it has been unloaded, and says nothing of other hosts.
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Loaded = nil })
	if f := on("a"); f.MeasuredBytes != took {
		t.Errorf("afterwards %+v", f)
	}
	if f := on("b"); f.Source != fit.Estimated || f.CorrectionBytes != 0 {
		t.Errorf("elsewhere %+v", f)
	}
}

func TestWhatCanNotBeEstimated(t *testing.T) {
	b := newBench(t, withA70B(t), newHosts("a"))
	b.take("small", "GGUF small") // of which the loader says nothing
	for _, c := range []struct {
		model, host string
		kind        fault.Kind
	}{
		{"nothing", "a", fault.NotFound}, {"big:70b", "nowhere", fault.NotFound}, {"small", "a", fault.Conflict},
	} {
		if _, err := b.Fits(c.model, []string{c.host}, fit.Ask{}); fault.KindOf(err) != c.kind {
			t.Errorf("%s on %s: %v", c.model, c.host, err)
		}
	}
	broken, err := json.Marshal(loader.Info{Kind: loader.KindModel, Geometry: map[loader.Role][]byte{
		loader.RoleModel: gguftest.Llama31of8B().Without("llama.block_count").Read().Condense(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.change(t.Context(), "big:70b", func(m *fleet.StoredModel) error { m.Info = broken; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Fits("big:70b", nil, fit.Ask{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a header without layers: %v", err)
	}
}
