package fit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Of a 70B with 40 GiB of weights, each token of a request takes 320 KiB.
func TestVerdicts(t *testing.T) {
	change := func(f func(*fleet.HostView)) fleet.HostView {
		v := machine(gpu("a", 80, 0))
		f(&v)
		return v
	}
	for name, c := range map[string]struct {
		host    fleet.HostView
		ask     fit.Ask
		verdict fit.Verdict
		context int64
		says    string
	}{
		"one GPU":                {machine(gpu("a", 80, 0)), fit.Ask{ContextTokens: 8192}, fit.Fits, 8192, "of GPU memory, of which 80.0 GiB are free"},
		"two GPUs":               {machine(gpu("a", 24, 0), gpu("b", 24, 0)), fit.Ask{ContextTokens: 4096}, fit.Fits, 4096, "of which 48.0 GiB are free"},
		"somebody else is there": {machine(gpu("a", 80, 50)), fit.Ask{ContextTokens: 8192}, fit.Spills, 8192, "layers don't fit in the 30.0 GiB that are free on GPUs"},
		"the default":            {machine(gpu("a", 80, 0)), fit.Ask{}, fit.Spills, 131072, "stay in the host's main memory"}, // 262144, cut to what it was trained on
		"a smaller default":      {machine(gpu("a", 24, 0)), fit.Ask{}, fit.Spills, 32768, "stay in the host's main memory"},
		"many requests":          {machine(gpu("a", 80, 0)), fit.Ask{ContextTokens: 32768, Parallel: 4}, fit.Spills, 32768, "stay in the host's main memory"},
		"no GPU":                 {machine(), fit.Ask{}, fit.Spills, 4096, "there is no GPU: it takes"},
		"no memory": {change(func(v *fleet.HostView) {
			v.Sample.GPUs, v.GPUReport.State, v.Sample.Memory.AvailableBytes = nil, fleet.GPUsNone, 8*gib
		}), fit.Ask{}, fit.No, 4096, "there is no GPU, and 8.0 GiB are free"},
		"no memory beside a GPU":      {change(func(v *fleet.HostView) { v.Sample.GPUs[0] = gpu("a", 16, 0); v.Sample.Memory.AvailableBytes = 8 * gib }), fit.Ask{ContextTokens: 4096}, fit.No, 4096, "are more than the 8.0 GiB that are free in the host's main memory"},
		"main memory unknown":         {change(func(v *fleet.HostView) { v.Sample.GPUs[0] = gpu("a", 16, 0); v.Sample.Memory = nil }), fit.Ask{ContextTokens: 4096}, fit.Spills, 4096, "stay in the host's main memory"},
		"an old Ollama":               {change(func(v *fleet.HostView) { v.Instances[0].Version = "0.12.6" }), fit.Ask{}, fit.Fits, 4096, "of GPU memory"},
		"a GPU that is lost":          {change(func(v *fleet.HostView) { v.Sample.GPUs[0].State = fleet.GPULost }), fit.Ask{}, fit.Spills, 4096, "there is no GPU"},
		"reserved memory":             {change(func(v *fleet.HostView) { n := int64(60 * gib); v.Sample.GPUs[0].MemoryReservedBytes = &n }), fit.Ask{ContextTokens: 4096}, fit.Spills, 4096, "in the 20.0 GiB that are free"},
		"parallel as the host has it": {change(func(v *fleet.HostView) { v.Instances[0].Parallel = 16 }), fit.Ask{ContextTokens: 16384}, fit.Spills, 16384, "main memory"},

		"away":          {change(func(v *fleet.HostView) { v.State = fleet.HostAway }), fit.Ask{ContextTokens: 4096}, fit.Unknown, 4096, "the host is away"},
		"no sample yet": {change(func(v *fleet.HostView) { v.Sample = nil }), fit.Ask{ContextTokens: 4096}, fit.Unknown, 4096, "not known yet"},
		"GPUs aren't read": {change(func(v *fleet.HostView) {
			v.GPUReport = &fleet.GPUReport{State: fleet.GPUsProbeCrashed, Message: "it died"}
		}), fit.Ask{ContextTokens: 4096}, fit.Unknown, 4096, "the host's GPUs are not read (it died)"},
		"nobody said":              {change(func(v *fleet.HostView) { v.GPUReport, v.Sample.GPUs = nil, nil }), fit.Ask{ContextTokens: 4096}, fit.Unknown, 4096, "the host's GPUs are not read"},
		"a GPU that tells nothing": {change(func(v *fleet.HostView) { v.Sample.GPUs[0].MemoryUsedBytes = nil }), fit.Ask{ContextTokens: 4096}, fit.Unknown, 4096, "GPU 0 doesn't tell"},
		"GPUs of another maker": {change(func(v *fleet.HostView) {
			v.Sample.GPUs, v.GPUReport.State = nil, fleet.GPUsNone
			v.Instances[0].Loaded = []fleet.LoadedModel{{Name: "other", Digest: "d9", SizeVRAMBytes: 1}}
		}), fit.Ask{ContextTokens: 4096}, fit.Unknown, 4096, "uses GPUs of which nothing is read"},
	} {
		f := on(t, read(t, stored(t, gguftest.Llama33of70B())), c.host, c.ask, &fit.Measurements{})
		if f.Verdict != c.verdict || f.ContextTokens != c.context || !strings.Contains(f.Reason, c.says) {
			t.Errorf("%s: %s with %d tokens: %s", name, f.Verdict, f.ContextTokens, f.Reason)
		}
		if f.Source != fit.Estimated || f.MeasuredBytes != 0 || f.CorrectionBytes != 0 {
			t.Errorf("%s: %+v", name, f)
		}
		if sum := f.WeightsBytes + f.CacheBytes + f.ComputeBytes + f.OverheadBytes; sum != f.TotalBytes || f.Verdict != fit.Unknown && f.GPUBytes+f.MainMemoryBytes != sum {
			t.Errorf("%s: %d in all is not what it is made of: %+v", name, sum, f)
		}
	}
}

// What is said of a host is what the estimate says of it, and how long a context it has
// room for is one with which it fits.
func TestFiguresAreThoseOfTheEstimate(t *testing.T) {
	file := gguftest.Llama33of70B()
	e, err := gguf.EstimateMemory(file.Read(), gguf.Options{ContextTokens: 8192, Parallel: 2, GPUs: []gguf.GPU{{ID: "a", FreeBytes: 70 * gib, TotalBytes: 80 * gib}}})
	if err != nil {
		t.Fatal(err)
	}
	model, host := read(t, stored(t, file)), machine(gpu("a", 80, 10))
	f := on(t, model, host, fit.Ask{ContextTokens: 8192, Parallel: 2}, &fit.Measurements{})
	want := fit.Fit{
		HostID: "h1", Host: "alpha", Instance: "default", Verdict: fit.Fits, Reason: f.Reason, Source: fit.Estimated, ContextTokens: 8192, Parallel: 2, CacheType: "f16",
		WeightsBytes: int64(e.WeightsBytes), CacheBytes: 2 * 8192 * 320 << 10, ComputeBytes: int64(e.ComputeBytes), OverheadBytes: 450 * mib,
		TotalBytes: int64(e.TotalBytes), GPUBytes: int64(e.GPUBytes), MainMemoryBytes: int64(e.HostBytes), FreeBytes: 70 * gib,
		GPUs: []fit.GPU{{
			ID: "a", FreeBytes: 70 * gib, MemoryBytes: 80 * gib, TotalBytes: int64(e.GPUs[0].TotalBytes), WeightsBytes: int64(e.GPUs[0].WeightsBytes),
			CacheBytes: int64(e.GPUs[0].CacheBytes), ComputeBytes: int64(e.GPUs[0].ComputeBytes), Layers: 81,
		}},
		LongestContextTokens: f.LongestContextTokens,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	longest := f.LongestContextTokens
	if longest < 8192 || on(t, model, host, fit.Ask{ContextTokens: uint64(longest), Parallel: 2}, &fit.Measurements{}).Verdict != fit.Fits {
		t.Errorf("%d tokens don't fit", longest)
	}
	if more := on(t, model, host, fit.Ask{ContextTokens: uint64(longest) + 256, Parallel: 2}, &fit.Measurements{}); more.Verdict != fit.Spills {
		t.Errorf("%d tokens fit as well", more.ContextTokens)
	}
}

func TestAModelOfWhichTooLittleIsKnown(t *testing.T) {
	sound := stored(t, gguftest.Llama31of8B())
	for name, c := range map[string]struct {
		change func(*fleet.StoredModel)
		says   string
	}{
		"nobody has looked":         {func(m *fleet.StoredModel) { m.Info = nil }, "nobody has looked at its files yet"},
		"no good":                   {func(m *fleet.StoredModel) { m.Problem = "the file is no GGUF" }, "it can't be used: the file is no GGUF"},
		"an adapter":                {func(m *fleet.StoredModel) { m.Info = []byte(`{"kind":"adapter"}`) }, "it is of the kind adapter"},
		"a loader that doesn't say": {func(m *fleet.StoredModel) { m.Info = []byte(`{"kind":"model"}`) }, "doesn't say how it is built"},
		"what is no header":         {func(m *fleet.StoredModel) { m.Info = []byte(`{"kind":"model","geometry":{"model":"AAAA"}}`) }, "a header that was condensed has 3 bytes"},
	} {
		m := sound
		c.change(&m)
		_, err := fit.ReadModel(&m)
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.MessageOf(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A header that is one, of a model that is none.
	m := read(t, stored(t, gguftest.Llama31of8B().Without("llama.block_count")))
	if _, err := m.On(hostOf(machine()), fit.Ask{}, &fit.Measurements{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without layers: %v", err)
	}
}

// What a host will quantise is smaller there than its file.
func TestAModelThatHostsQuantise(t *testing.T) {
	plain := gguftest.New("llama").
		Set("llama.block_count", uint32(1)).Set("llama.context_length", uint32(2048)).Set("llama.embedding_length", uint32(1024)).
		Set("llama.attention.head_count", uint32(8)).
		Tensor("token_embd.weight", gguf.F16, 1024, 32000).Tensor("blk.0.attn_q.weight", gguf.F16, 1024, 1024).
		Tensor("blk.0.ffn_down.weight", gguf.F16, 1024, 1024).Tensor("blk.0.attn_norm.weight", gguf.F32, 1024).Tensor("output.weight", gguf.F16, 1024, 32000)
	weights := func(quantize string) int64 {
		m := stored(t, plain)
		m.Quantize = quantize
		return on(t, read(t, m), machine(), fit.Ask{}, &fit.Measurements{}).WeightsBytes
	}
	const elements, embedding, output = 1 << 20, 32000 << 10, 32000 << 10
	for quantize, want := range map[string]int64{
		"":       (embedding+2*elements+output)*2 + 4096,
		"f16":    (embedding+2*elements+output)*2 + 4096,
		"q8_0":   (embedding+2*elements+output)*34/32 + 4096,
		"q4_K_M": (embedding+elements)*144/256 + (elements+output)*210/256 + 4096,
		"other":  (embedding+2*elements+output)*2 + 4096,
	} {
		if got := weights(quantize); got != want {
			t.Errorf("%s: %d bytes, want %d", quantize, got, want)
		}
	}
}

// A projector beside the model counts.
func TestWhatComesWithAModelCounts(t *testing.T) {
	h := gguftest.Llama31of8B().Read()
	projector := gguftest.New("clip").Set("general.type", "mmproj").Set("clip.has_vision_encoder", true).Tensor("v.patch_embd.weight", gguf.F16, 1<<10, 1<<10).Read()
	alone := on(t, read(t, stored(t, gguftest.Llama31of8B())), machine(gpu("a", 80, 0)), fit.Ask{ContextTokens: 4096}, &fit.Measurements{})
	m := stored(t, gguftest.Llama31of8B())
	m.Info = info(t, loader.Info{Kind: loader.KindModel, Architecture: "llama", Geometry: map[loader.Role][]byte{
		loader.RoleModel: h.Condense(), loader.RoleProjector: projector.Condense(), loader.RoleDraft: h.Condense(),
	}})
	both := on(t, read(t, m), machine(gpu("a", 80, 0)), fit.Ask{ContextTokens: 4096}, &fit.Measurements{})
	if both.ProjectorBytes < 2*mib || both.TotalBytes-alone.TotalBytes != both.ProjectorBytes {
		t.Errorf("with a projector of %d bytes it takes %d, without %d", both.ProjectorBytes, both.TotalBytes, alone.TotalBytes)
	}
}

func TestTheVerdictAloneIsTheSame(t *testing.T) {
	for _, host := range []fleet.HostView{machine(), machine(gpu("a", 80, 0)), machine(gpu("a", 16, 0)), machine(gpu("a", 48, 0), gpu("b", 48, 12))} {
		for name, file := range gguftest.Models() {
			model := read(t, stored(t, file))
			want := on(t, model, host, fit.Ask{}, &fit.Measurements{})
			got, spill, err := model.VerdictOn(hostOf(host), &fit.Measurements{})
			if err != nil || got != want.Verdict || spill != want.MainMemoryBytes {
				t.Errorf("%s on %d GPUs: %s with %d in main memory, %v; want %s with %d", name, len(host.Sample.GPUs), got, spill, err, want.Verdict, want.MainMemoryBytes)
			}
		}
	}
}

func BenchmarkOn(b *testing.B) {
	for _, name := range []string{"llama", "deepseek"} {
		file := map[string]*gguftest.File{"llama": gguftest.Llama33of70B(), "deepseek": gguftest.DeepSeekV3()}[name]
		m := stored(b, file)
		b.Run(fmt.Sprintf("%s/read", name), func(b *testing.B) {
			for b.Loop() {
				read(b, m)
			}
		})
		model, host := read(b, m), machine(gpu("a", 80, 0), gpu("b", 80, 0))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				on(b, model, host, fit.Ask{}, &fit.Measurements{})
			}
		})
	}
}

// What an Ollama was started with is what it does by itself.
func TestSettingsOfAnOllamaCount(t *testing.T) {
	model := read(t, stored(t, gguftest.Llama31of8B()))
	with := func(s fleet.OllamaSettings, a fit.Ask) fit.Fit {
		v := machine(gpu("a", 80, 0))
		v.Instances[0].Settings = &s
		return on(t, model, v, a, &fit.Measurements{})
	}
	plain := with(fleet.OllamaSettings{}, fit.Ask{ContextTokens: 8192})
	if f := with(fleet.OllamaSettings{ContextTokens: 8192, CacheType: "q8_0"}, fit.Ask{}); f.ContextTokens != 8192 || f.CacheType != "q8_0" || f.CacheBytes >= plain.CacheBytes {
		t.Errorf("set are a context and a cache: %+v", f)
	}
	if f := with(fleet.OllamaSettings{ContextTokens: 8192, CacheType: "q8_0"}, fit.Ask{ContextTokens: 4096, CacheType: gguf.CacheF16}); f.ContextTokens != 4096 || f.CacheType != "f16" {
		t.Errorf("what is asked for comes first: %+v", f)
	}
	f := with(fleet.OllamaSettings{CacheType: "q8_0", FlashAttention: "off"}, fit.Ask{ContextTokens: 8192})
	if f.CacheType != "f16" || f.ComputeBytes <= plain.ComputeBytes {
		t.Errorf("without flash attention: %+v, with it %+v", f, plain)
	}
}
