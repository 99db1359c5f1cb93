package fit_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// note notes that a model took so many bytes on a host.
func note(seen *fit.Measurements, m *fit.Model, v fleet.HostView, digest string, context int, bytes int64) {
	seen.Note(hostOf(v), &fleet.LoadedModel{Name: "big:70b", Digest: digest, ContextLength: context, SizeBytes: bytes, SizeVRAMBytes: bytes}, m)
}

// needed is an estimate without what the runtime takes, which is what Ollama's figure is
// beside.
func needed(f fit.Fit) int64 { return f.TotalBytes - f.OverheadBytes }

func TestWhatWasMeasuredIsSaid(t *testing.T) {
	var seen fit.Measurements
	model, host := read(t, stored(t, gguftest.Llama33of70B())), machine(gpu("a", 80, 0))
	ask := fit.Ask{ContextTokens: 8192}
	before := on(t, model, host, ask, &seen)
	took := needed(before) + 3*gib
	note(&seen, model, host, "d1", 8192, took)
	f := on(t, model, host, ask, &seen)
	if f.Source != fit.Measured || f.MeasuredBytes != took || f.Verdict != fit.Fits || math.Abs(float64(needed(f)-took)) > 2 {
		t.Errorf("%+v, want %d", f, took)
	}
	if f.WeightsBytes != before.WeightsBytes || f.CacheBytes != before.CacheBytes || math.Abs(float64(f.CorrectionBytes-3*gib)) > 2 {
		t.Errorf("the correction is %d: %+v", f.CorrectionBytes, f)
	}
	if sum := f.WeightsBytes + f.CacheBytes + f.ComputeBytes + f.OverheadBytes + f.CorrectionBytes; sum != f.TotalBytes || f.GPUBytes+f.MainMemoryBytes != sum {
		t.Errorf("%d in all is not what it is made of: %+v", sum, f)
	}
	// As it was not loaded it is estimated, and expected to take more as well.
	for name, ask := range map[string]fit.Ask{"another context": {ContextTokens: 4096}, "more requests": {ContextTokens: 8192, Parallel: 2}} {
		f := on(t, model, host, ask, &seen)
		if f.Source != fit.Estimated || f.MeasuredBytes != 0 || f.CorrectionBytes < 2*gib {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// Another host has another measure, and so has another architecture.
	other := host
	other.ID = "h2"
	for name, f := range map[string]fit.Fit{
		"another host":         on(t, model, other, ask, &seen),
		"another architecture": on(t, read(t, stored(t, gguftest.Gemma3of27B())), host, fit.Ask{ContextTokens: 4096}, &seen),
	} {
		if f.Source != fit.Estimated || f.CorrectionBytes != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// It is forgotten with the host.
	seen.Keep(func(id string) bool { return id != "h1" })
	if f := on(t, model, host, ask, &seen); f.Source != fit.Estimated || f.TotalBytes != before.TotalBytes {
		t.Errorf("afterwards %+v", f)
	}
}

// Where models take more than was worked out, one that would just fit does not.
func TestAMeasurementChangesAVerdict(t *testing.T) {
	var seen fit.Measurements
	small, large := read(t, stored(t, gguftest.Llama31of8B())), stored(t, gguftest.Llama33of70B())
	large.Digest = "d2"
	host, ask := machine(gpu("a", 48, 0)), fit.Ask{ContextTokens: 4096}
	if f := on(t, read(t, large), host, ask, &seen); f.Verdict != fit.Fits {
		t.Fatalf("%+v", f)
	}
	note(&seen, small, host, "d1", 4096, needed(on(t, small, host, ask, &seen))*13/10)
	f := on(t, read(t, large), host, ask, &seen)
	if f.Verdict != fit.Spills || f.Source != fit.Estimated || f.MainMemoryBytes < 4*gib || f.GPUBytes > 48*gib || f.LongestContextTokens != 0 {
		t.Errorf("%+v", f)
	}
	f = on(t, read(t, large), host, fit.Ask{}, &seen)
	if v, spill, err := read(t, large).VerdictOn(hostOf(host), &seen); err != nil || v != f.Verdict || spill != f.MainMemoryBytes || f.CorrectionBytes == 0 {
		t.Errorf("the verdict alone is %s with %d, %v; want %s with %d", v, spill, err, f.Verdict, f.MainMemoryBytes)
	}
}

// Ollama's figure is for some engines without what they compute in: that it is smaller by
// so much says nothing.
func TestAFigureWithoutComputeAgrees(t *testing.T) {
	var seen fit.Measurements
	model, host, ask := read(t, stored(t, gguftest.Llama31of8B())), machine(gpu("a", 80, 0)), fit.Ask{ContextTokens: 8192}
	before := on(t, model, host, ask, &seen)
	took := needed(before) - before.ComputeBytes
	note(&seen, model, host, "d1", 8192, took)
	if f := on(t, model, host, ask, &seen); f.Source != fit.Measured || f.MeasuredBytes != took || f.TotalBytes != before.TotalBytes {
		t.Errorf("%+v, want a total of %d", f, before.TotalBytes)
	}
	other := ask
	other.CacheType = gguf.CacheQ8_0 // with which it was not measured
	if f := on(t, model, host, other, &seen); f.Source != fit.Estimated || f.CacheType != "q8_0" || f.CacheBytes >= before.CacheBytes {
		t.Errorf("with another cache %+v", f)
	}
	// Less than that does: the cache is quantised there, say.
	note(&seen, model, host, "d1", 8192, took*3/4)
	if f := on(t, model, host, ask, &seen); f.CorrectionBytes >= 0 || needed(f) < took*3/4 {
		t.Errorf("%+v, after %d", f, took*3/4)
	}
}

// Of several measurements the median counts, and only of a host's last ones.
func TestOneMeasurementThatIsOffDoesNotCount(t *testing.T) {
	var seen fit.Measurements
	model, host := read(t, stored(t, gguftest.Llama31of8B())), machine(gpu("a", 80, 0))
	ask := fit.Ask{ContextTokens: 8192}
	plain := on(t, model, host, ask, &seen).TotalBytes
	for i, context := range []int{1024, 2048, 4096} {
		f := on(t, model, host, fit.Ask{ContextTokens: uint64(context)}, &fit.Measurements{})
		note(&seen, model, host, "d1", context, needed(f)*[]int64{100, 101, 190}[i]/100)
	}
	if f := on(t, model, host, ask, &seen); f.TotalBytes < plain || f.TotalBytes > plain*102/100 {
		t.Errorf("%d, without measurements %d", f.TotalBytes, plain)
	}
	for i := range 200 { // others come, of which nothing can be learnt
		note(&seen, nil, host, fmt.Sprint("other", i), 4096, 1)
	}
	if f := on(t, model, host, ask, &seen); f.TotalBytes != plain {
		t.Errorf("after many others %d, want %d", f.TotalBytes, plain)
	}
}

func TestWhatWasNotedIsKnown(t *testing.T) {
	var seen fit.Measurements
	v := machine()
	h, l := hostOf(v), fleet.LoadedModel{Name: "big:70b", Digest: "d1", ContextLength: 4096, SizeBytes: 7}
	if seen.Has(h, &l) {
		t.Error("before")
	}
	seen.Note(h, &l, nil)
	if !seen.Has(h, &l) {
		t.Error("it was not noted")
	}
	l.SizeBytes = 8
	if seen.Has(h, &l) {
		t.Error("it takes more now")
	}
}

// Whatever an Ollama says that a model took, an estimate stays one: positive, adding up,
// and not far from what was worked out.
func TestNoMeasurementSpoilsAnEstimate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	model := read(t, stored(t, gguftest.Llama31of8B()))
	for range 300 {
		var seen fit.Measurements
		host := machine(gpu("a", 1+random.Int64N(100), random.Int64N(8)), gpu("b", 1+random.Int64N(100), 0))
		host.Sample.Memory.AvailableBytes = random.Int64N(64 * gib)
		context := 1 + random.IntN(200_000)
		plain := on(t, model, host, fit.Ask{ContextTokens: uint64(context)}, &seen)
		for range 1 + random.IntN(3) {
			took := []int64{math.MinInt64, -1, 0, 1, random.Int64N(gib), random.Int64N(200 * gib), math.MaxInt64}[random.IntN(7)]
			note(&seen, model, host, "d1", []int{-1, 0, 1, context, min(context, 131072), math.MaxInt32}[random.IntN(6)], took)
		}
		f := on(t, model, host, fit.Ask{ContextTokens: uint64(context)}, &seen)
		if f.TotalBytes < plain.WeightsBytes/3 || f.TotalBytes > 3*plain.TotalBytes || f.WeightsBytes != plain.WeightsBytes || f.CacheBytes != plain.CacheBytes {
			t.Fatalf("with %d tokens: %+v\nwithout measurements: %+v", context, f, plain)
		}
		if f.GPUBytes < 0 || f.MainMemoryBytes < 0 || f.GPUBytes+f.MainMemoryBytes != f.TotalBytes || f.GPUBytes > f.FreeBytes {
			t.Fatalf("with %d tokens: %+v", context, f)
		}
		for _, g := range f.GPUs {
			if g.TotalBytes < 0 || g.TotalBytes > g.FreeBytes {
				t.Fatalf("with %d tokens: %+v", context, f)
			}
		}
	}
}

// A model that is in memory with just these options shows how it fits.
func TestAModelThatIsLoadedThere(t *testing.T) {
	model := read(t, stored(t, gguftest.Llama33of70B()))
	ask := fit.Ask{ContextTokens: 8192}
	took := needed(on(t, model, machine(gpu("a", 80, 0)), ask, &fit.Measurements{}))
	for name, c := range map[string]struct {
		digest  string
		onGPUs  int64
		shares  []fleet.GPUShare
		verdict fit.Verdict
		says    string
	}{
		"on the GPU":       {"d1", took, nil, fit.Fits, "it is loaded there, with all of its "},
		"on the GPU, told": {"d1", took, []fleet.GPUShare{{UUID: "a", MemoryBytes: &took}}, fit.Fits, "it is loaded there, with all of its "},
		"spilt":            {"d1", took - 9*gib, nil, fit.Spills, "it is loaded there, with 9.0 GiB of its "},
		"another version":  {"d9", took, nil, fit.Spills, "layers don't fit in the "},
	} {
		var seen fit.Measurements
		host := machine(gpu("a", 80, took/gib+1))
		l := fleet.LoadedModel{Name: "big:70b", Digest: c.digest, ContextLength: 8192, SizeBytes: took, SizeVRAMBytes: c.onGPUs, GPUs: c.shares}
		host.Instances[0].Loaded = []fleet.LoadedModel{l}
		seen.Note(hostOf(host), &l, model)
		f := on(t, model, host, ask, &seen)
		if f.Verdict != c.verdict || !strings.Contains(f.Reason, c.says) {
			t.Errorf("%s: %s: %s", name, f.Verdict, f.Reason)
		}
		// With another context what it has would be free.
		f = on(t, model, host, fit.Ask{ContextTokens: 4096}, &seen)
		if c.digest == "d1" && c.onGPUs == took && f.Verdict != fit.Fits {
			t.Errorf("%s, with less context: %s: %s", name, f.Verdict, f.Reason)
		}
		// That it is there is known also where nothing else is.
		host.GPUReport.State, host.Sample.GPUs = fleet.GPUsProbeCrashed, nil
		f = on(t, model, host, ask, &seen)
		if c.digest == "d1" && f.Verdict != c.verdict || c.digest != "d1" && f.Verdict != fit.Unknown {
			t.Errorf("%s, without GPUs that are read: %s: %s", name, f.Verdict, f.Reason)
		}
	}
}
