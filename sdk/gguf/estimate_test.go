package gguf_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// estimate fails the test where there is none.
func estimate(t *testing.T, f *gguftest.File, o gguf.Options) gguf.Estimate {
	t.Helper()
	e, err := gguf.EstimateMemory(f.Read(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The figures are worked out by hand from what is published of the models.
func TestCacheOfEachToken(t *testing.T) {
	f := func(model string, cache gguf.CacheType, wantKiB float64) {
		t.Helper()
		const tokens = 4096
		e := estimate(t, gguftest.Models()[model], gguf.Options{ContextTokens: tokens, CacheType: cache})
		got := float64(e.CacheBytes) / tokens / kib
		if math.Abs(got-wantKiB) > 0.001*wantKiB {
			t.Errorf("%s with %s: %.4f KiB, want %.4f", model, cache, got, wantKiB)
		}
	}
	f("Llama-3.1-8B", gguf.CacheF16, 128)
	f("Llama-3.1-8B", gguf.CacheQ8_0, 68)
	f("Llama-3.1-8B", gguf.CacheQ4_0, 36)
	f("Llama-3.3-70B", gguf.CacheF16, 320)
	f("Llama-3.3-70B", gguf.CacheQ8_0, 170)
	f("Qwen2.5-7B", gguf.CacheF16, 56)
	f("Qwen2.5-7B", gguf.CacheQ8_0, 29.75)
	f("Qwen3-30B-A3B", gguf.CacheF16, 96)
	f("Qwen3-30B-A3B", gguf.CacheQ8_0, 51)
	f("DeepSeek-V3", gguf.CacheF16, 61*576*2/1024.)
}

func TestCacheOfAContext(t *testing.T) {
	f := func(model string, tokens uint64, wantGiB float64) {
		t.Helper()
		// Some of them were trained on less; here it is about the arithmetic.
		file := gguftest.Models()[model]
		file.Set(file.Read().Architecture()+".context_length", uint32(1<<20))
		e := estimate(t, file, gguf.Options{ContextTokens: tokens})
		if got := float64(e.CacheBytes) / gib; math.Abs(got-wantGiB) > 0.05 {
			t.Errorf("%s at %d tokens: %.2f GiB, want %.2f", model, tokens, got, wantGiB)
		}
	}
	f("Llama-3.1-8B", 32<<10, 4)
	f("Llama-3.1-8B", 128<<10, 16)
	f("Llama-3.3-70B", 32<<10, 10)
	f("Llama-3.3-70B", 128<<10, 40)
	f("Qwen2.5-7B", 32<<10, 1.75)
	f("Qwen2.5-7B", 128<<10, 7)
	f("Qwen3-30B-A3B", 32<<10, 3)
	f("Qwen3-30B-A3B", 128<<10, 12)
	f("Gemma-3-27B", 32<<10, 3.1)
	f("Gemma-3-27B", 128<<10, 10.6)
	f("DeepSeek-V3", 32<<10, 2.1)
	f("DeepSeek-V3", 128<<10, 8.6)
}

// Without what is special of them, two of the models would seem to take five and seventy
// times as much.
func TestCacheWithoutWindowAndLatentAttention(t *testing.T) {
	f := func(file *gguftest.File, tokens uint64, wantGiB float64) {
		t.Helper()
		e := estimate(t, file, gguf.Options{ContextTokens: tokens})
		if got := float64(e.CacheBytes) / gib; math.Abs(got-wantGiB) > 0.5 {
			t.Errorf("%d tokens: %.2f GiB, want %.2f", tokens, got, wantGiB)
		}
	}
	f(gguftest.Gemma3of27B().Without("gemma3.attention.sliding_window"), 32<<10, 15.5)
	f(gguftest.Gemma3of27B().Without("gemma3.attention.sliding_window"), 128<<10, 62)
	unpacked := gguftest.DeepSeekV3().
		Without("deepseek2.attention.key_length_mla").
		Without("deepseek2.attention.value_length_mla").
		Set("deepseek2.attention.head_count_kv", uint32(128)).
		Set("deepseek2.attention.key_length", uint32(192)).
		Set("deepseek2.attention.value_length", uint32(128))
	f(unpacked, 128<<10, 610)
}

func TestCacheOfAnEngineThatKeepsLatentValues(t *testing.T) {
	e := estimate(t, gguftest.DeepSeekV3(), gguf.Options{ContextTokens: 1024, KeepsLatentValues: true})
	if want := uint64(61 * (576 + 512) * 2 * 1024); e.CacheBytes != want {
		t.Errorf("%d bytes, want %d", e.CacheBytes, want)
	}
}

func TestCacheOfRecurrentLayers(t *testing.T) {
	t.Run("all layers", func(t *testing.T) {
		for _, tokens := range []uint64{1 << 10, 1 << 20} {
			for _, parallel := range []uint64{1, 4} {
				e := estimate(t, gguftest.MambaOf2B(), gguf.Options{ContextTokens: tokens, Parallel: parallel})
				if want := parallel * 64 * 4 * (3*5120 + 16*5120); e.CacheBytes != want {
					t.Errorf("%d tokens, %d at a time: %d bytes, want %d whatever the context", tokens, parallel, e.CacheBytes, want)
				}
			}
		}
	})
	const state = 4 * (3*(4096+2*16*128) + 128*4096) // of a layer of Qwen3-Next
	t.Run("three of four layers", func(t *testing.T) {
		e := estimate(t, gguftest.Qwen3NextOf80B(), gguf.Options{ContextTokens: 8192})
		if want := uint64(36*state + 12*8192*2*(256+256)*2); e.CacheBytes != want {
			t.Errorf("%d bytes, want %d", e.CacheBytes, want)
		}
	})
	t.Run("layers without heads of keys", func(t *testing.T) {
		f := gguftest.New("granitehybrid").
			Set("granitehybrid.block_count", uint32(4)).
			Set("granitehybrid.embedding_length", uint32(1024)).
			Set("granitehybrid.attention.head_count", uint32(8)).
			Set("granitehybrid.attention.head_count_kv", []uint32{0, 0, 2, 0}).
			Set("granitehybrid.ssm.conv_kernel", uint32(4)).
			Set("granitehybrid.ssm.inner_size", uint32(2048)).
			Set("granitehybrid.ssm.state_size", uint32(128)).
			Set("granitehybrid.ssm.group_count", uint32(1))
		e := estimate(t, f, gguf.Options{ContextTokens: 1000})
		if want := uint64(3*4*(3*(2048+2*128)+128*2048) + 1000*2*(128+128)*2); e.CacheBytes != want {
			t.Errorf("%d bytes, want %d", e.CacheBytes, want)
		}
	})
}

func TestCacheOfWindows(t *testing.T) {
	base := func() *gguftest.File {
		return gguftest.New("x").
			Set("x.block_count", uint32(4)).
			Set("x.embedding_length", uint32(512)).
			Set("x.attention.head_count", uint32(4)).
			Set("x.attention.sliding_window", uint32(512))
	}
	const token = 4 * (128 + 128) * 2 // of a layer
	f := func(name string, file *gguftest.File, o gguf.Options, want uint64) {
		t.Helper()
		if e := estimate(t, file, o); e.CacheBytes != want {
			t.Errorf("%s: %d bytes, want %d", name, e.CacheBytes, want)
		}
	}
	long := gguf.Options{ContextTokens: 100_000}
	f("an architecture that doesn't keep to a window", base(), long, 4*100_000*token)
	f("a pattern of the file", base().Set("x.attention.sliding_window_pattern", uint32(2)), long, (2*100_000+2*1024)*token)
	f("a pattern for each layer", base().Set("x.attention.sliding_window_pattern", []bool{true, true, true, false}), long, (100_000+3*1024)*token)
	f("four requests at a time", base().Set("x.attention.sliding_window_pattern", uint32(2)),
		gguf.Options{ContextTokens: 100_000, Parallel: 4}, (2*400_000+2*(4*512+512))*token)
	f("a context shorter than the window", base().Set("x.attention.sliding_window_pattern", uint32(2)),
		gguf.Options{ContextTokens: 100}, 4*100*token)
	f("heads of another length in windows",
		base().Set("x.attention.sliding_window_pattern", uint32(2)).
			Set("x.attention.key_length_swa", uint32(64)).Set("x.attention.value_length_swa", uint32(64)),
		long, 2*100_000*token+2*1024*token/2)
	f("layers that share", base().Set("x.attention.shared_kv_layers", uint32(3)), long, 100_000*token)
	f("a text at once", base().Set("x.attention.causal", false), long, 0)
}

// A mean 8B model: what is where, and that the sums are right.
func TestEstimateOnOneGPU(t *testing.T) {
	f := gguftest.Llama31of8B()
	e := estimate(t, f, gguf.Options{
		ContextTokens: 8192, Parallel: 2,
		GPUs: []gguf.GPU{{ID: "small", FreeBytes: 4 * gib}, {ID: "large", FreeBytes: 24 * gib}},
	})
	if e.Verdict != gguf.Fits || e.GPULayers != 33 || e.Layers != 33 {
		t.Fatalf("verdict %s with %d of %d layers: %s", e.Verdict, e.GPULayers, e.Layers, e.Reason)
	}
	if e.GPUs[0].TotalBytes != 0 || e.GPUs[0].Alone != gguf.Spills {
		t.Errorf("the small GPU is to have %d bytes, alone it %s", e.GPUs[0].TotalBytes, e.GPUs[0].Alone)
	}
	large := e.GPUs[1]
	if want := uint64(2 * 8192 * 128 * kib); large.CacheBytes != want || e.CacheBytes != want {
		t.Errorf("the cache is %d and %d, want %d", large.CacheBytes, e.CacheBytes, want)
	}
	// The embedding stays in the host's memory.
	if embedding := gguf.Q8_0.Bytes(4096 * 128256); e.HostBytes != embedding || e.WeightsBytes != large.WeightsBytes+embedding {
		t.Errorf("the host has %d, weights are %d and %d", e.HostBytes, large.WeightsBytes, e.WeightsBytes)
	}
	// Engines report 258.5 MiB for this model.
	if got := float64(e.ComputeBytes) / mib; math.Abs(got-258.5) > 0.01 {
		t.Errorf("compute takes %.2f MiB", got)
	}
	if e.TotalBytes != e.GPUBytes+e.HostBytes || e.TotalBytes != e.WeightsBytes+e.CacheBytes+e.ComputeBytes+e.OverheadBytes {
		t.Errorf("the sums differ: %+v", e)
	}
	info := gguf.Describe(f.Read())
	if e.WeightsBytes != info.WeightsBytes {
		t.Errorf("weights are %d, the file has %d", e.WeightsBytes, info.WeightsBytes)
	}
}

func TestComputeWithoutFlashAttention(t *testing.T) {
	e := estimate(t, gguftest.Llama31of8B(), gguf.Options{
		ContextTokens: 8192, WithoutFlashAttention: true, GPUs: []gguf.GPU{{FreeBytes: 80 * gib}},
	})
	// Engines report 560 MiB for this model.
	if got := float64(e.ComputeBytes) / mib; math.Abs(got-560) > 1 {
		t.Errorf("compute takes %.2f MiB", got)
	}
}

func TestEstimateOnSeveralGPUs(t *testing.T) {
	e := estimate(t, gguftest.Llama33of70B(), gguf.Options{
		ContextTokens: 8192,
		GPUs:          []gguf.GPU{{ID: "a", FreeBytes: 24 * gib}, {ID: "b", FreeBytes: 32 * gib}, {ID: "c", FreeBytes: 16 * gib}},
	})
	if e.Verdict != gguf.Fits || e.GPULayers != 81 {
		t.Fatalf("verdict %s with %d layers: %s", e.Verdict, e.GPULayers, e.Reason)
	}
	layers := 0
	for _, g := range e.GPUs {
		layers += g.Layers
		if g.TotalBytes > g.FreeBytes {
			t.Errorf("%s is to have %d of %d bytes", g.ID, g.TotalBytes, g.FreeBytes)
		}
		if g.Alone != gguf.Spills {
			t.Errorf("%s alone: %s", g.ID, g.Alone)
		}
	}
	if layers != 81 {
		t.Errorf("there are %d layers on GPUs, want 81", layers)
	}
}

func TestEstimateSpills(t *testing.T) {
	o := gguf.Options{ContextTokens: 8192, GPUs: []gguf.GPU{{ID: "a", FreeBytes: 24 * gib}}}
	e := estimate(t, gguftest.Llama33of70B(), o)
	if e.Verdict != gguf.Spills || e.GPULayers == 0 || e.GPULayers >= 81 || !strings.Contains(e.Reason, "24.0 GiB") {
		t.Errorf("verdict %s with %d layers: %s", e.Verdict, e.GPULayers, e.Reason)
	}
	o.HostFreeBytes = e.HostBytes
	if e = estimate(t, gguftest.Llama33of70B(), o); e.Verdict != gguf.Spills {
		t.Errorf("with just enough of the host's memory: %s: %s", e.Verdict, e.Reason)
	}
	o.HostFreeBytes--
	if e = estimate(t, gguftest.Llama33of70B(), o); e.Verdict != gguf.No {
		t.Errorf("with a byte too little of the host's memory: %s: %s", e.Verdict, e.Reason)
	}
}

// The border between fitting and not is a byte wide.
func TestEstimateIsExact(t *testing.T) {
	o := gguf.Options{ContextTokens: 4096, GPUs: []gguf.GPU{{FreeBytes: 80 * gib}}}
	need := estimate(t, gguftest.Llama31of8B(), o).GPUBytes
	o.GPUs[0].FreeBytes = need
	if e := estimate(t, gguftest.Llama31of8B(), o); e.Verdict != gguf.Fits {
		t.Errorf("with what it needs: %s: %s", e.Verdict, e.Reason)
	}
	o.GPUs[0].FreeBytes = need - 1
	if e := estimate(t, gguftest.Llama31of8B(), o); e.Verdict != gguf.Spills || e.GPULayers != 32 {
		t.Errorf("with a byte less: %s with %d layers: %s", e.Verdict, e.GPULayers, e.Reason)
	}
}

func TestEstimateWithoutGPU(t *testing.T) {
	e := estimate(t, gguftest.Qwen25of7B(), gguf.Options{HostFreeBytes: 64 * gib})
	if e.Verdict != gguf.Spills || e.GPUBytes != 0 || e.HostBytes != e.TotalBytes || e.ContextTokens != 4096 {
		t.Errorf("%+v", e)
	}
	if e = estimate(t, gguftest.Qwen25of7B(), gguf.Options{HostFreeBytes: gib}); e.Verdict != gguf.No {
		t.Errorf("with 1 GiB: %s", e.Verdict)
	}
}

// A model without an output of its own has its embedding in both places.
func TestEstimateOfATiedOutput(t *testing.T) {
	e := estimate(t, gguftest.Gemma3of27B(), gguf.Options{ContextTokens: 4096, GPUs: []gguf.GPU{{FreeBytes: 80 * gib}}})
	info := gguf.Describe(gguftest.Gemma3of27B().Read())
	if !info.Weights.TiedOutput || e.WeightsBytes != info.WeightsBytes+info.Weights.TokenEmbeddingBytes {
		t.Errorf("weights are %d, the file has %d", e.WeightsBytes, info.WeightsBytes)
	}
}

func TestEstimateWithProjectorAndAdapter(t *testing.T) {
	projector := gguftest.New("clip").
		Set("clip.vision.image_size", uint32(896)).
		Set("clip.vision.patch_size", uint32(14)).
		Set("clip.vision.embedding_length", uint32(1152)).
		Set("clip.vision.attention.head_count", uint32(16)).
		Tensor("v.patch_embd.weight", gguf.F16, 14, 14, 3, 1152).Read()
	adapter := gguftest.New("llama").Set("general.type", "adapter").
		Tensor("blk.3.attn_q.weight.lora_a", gguf.F32, 4096, 16).
		Tensor("blk.3.attn_q.weight.lora_b", gguf.F32, 16, 4096).Read()
	o := gguf.Options{ContextTokens: 4096, GPUs: []gguf.GPU{{FreeBytes: 80 * gib}}}
	plain := estimate(t, gguftest.Llama31of8B(), o)
	o.Projector, o.Adapters = projector, []*gguf.Header{adapter}
	with := estimate(t, gguftest.Llama31of8B(), o)
	wantProjector := uint64(2*14*14*3*1152 + 4*(896*896*3+1152*4096+4096*4096*16))
	if with.ProjectorBytes != wantProjector || with.GPUs[0].ProjectorBytes != wantProjector {
		t.Errorf("the projector takes %d, want %d", with.ProjectorBytes, wantProjector)
	}
	if want := plain.GPUBytes + wantProjector + 2*4*4096*16; with.GPUBytes != want {
		t.Errorf("both take %d, want %d", with.GPUBytes, want)
	}
}

func TestEstimateTakesOllamasContext(t *testing.T) {
	f := func(free, total, want uint64) {
		t.Helper()
		e := estimate(t, gguftest.Llama31of8B(), gguf.Options{GPUs: []gguf.GPU{{FreeBytes: free, TotalBytes: total}}})
		if e.ContextTokens != want {
			t.Errorf("%d bytes: %d tokens, want %d", total, e.ContextTokens, want)
		}
	}
	f(4*gib, 8*gib, 4096)
	f(4*gib, 23*gib-1, 4096)
	f(4*gib, 23*gib, 32768)
	f(23*gib, 0, 32768)
	f(4*gib, 47*gib-1, 32768)
	f(4*gib, 47*gib, 131072) // 262144, but the model was trained on half of that
	if got := gguf.DefaultContextTokens(47 * gib); got != 262144 {
		t.Errorf("47 GiB: %d tokens", got)
	}
}

func TestLongestContext(t *testing.T) {
	f := func(free, want uint64) {
		t.Helper()
		o := gguf.Options{Parallel: 2, GPUs: []gguf.GPU{{FreeBytes: free}}}
		got, err := gguf.LongestContextTokens(gguftest.Llama31of8B().Read(), o)
		if err != nil || got != want {
			t.Errorf("%d bytes: %d tokens and %v, want %d", free, got, err, want)
		}
	}
	f(2*gib, 0)
	f(80*gib, 131072)
	need := func(tokens uint64) uint64 {
		return estimate(t, gguftest.Llama31of8B(), gguf.Options{
			ContextTokens: tokens, Parallel: 2, GPUs: []gguf.GPU{{FreeBytes: 80 * gib}},
		}).GPUBytes
	}
	f(need(256), 256)
	f(need(256)-1, 0)
	f(need(20480), 20480)
	f(need(20480)-1, 20480-256)
	if _, err := gguf.LongestContextTokens(gguftest.New("clip").Read(), gguf.Options{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a projector: %v", err)
	}
}

// What a file claims may be absurd, and is then too much and never little.
func TestEstimateOfAbsurdClaims(t *testing.T) {
	f := gguftest.Llama31of8B().
		Set("llama.attention.key_length", uint64(1<<62)).
		Set("llama.attention.head_count_kv", uint64(1<<40)).
		Set("llama.context_length", uint64(math.MaxUint64)).
		Set("llama.feed_forward_length", uint64(math.MaxUint64))
	e := estimate(t, f, gguf.Options{ContextTokens: math.MaxUint64, Parallel: 1 << 40, HostFreeBytes: 64 * gib, GPUs: []gguf.GPU{{FreeBytes: 80 * gib}}})
	if e.Verdict != gguf.No || e.CacheBytes != math.MaxUint64 || e.TotalBytes != math.MaxUint64 {
		t.Errorf("%+v", e)
	}
}

func TestEstimateRefuses(t *testing.T) {
	f := func(name string, file *gguftest.File, o gguf.Options, says string) {
		t.Helper()
		_, err := gguf.EstimateMemory(file.Read(), o)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), says) {
			t.Errorf("%s: %v, want %v with %q", name, err, fault.Invalid, says)
		}
	}
	f("a projector", gguftest.New("clip"), gguf.Options{}, "projector")
	f("a cache of another type", gguftest.Llama31of8B(), gguf.Options{CacheType: "q5_1"}, "q5_1")
	f("no layers", gguftest.New("llama"), gguf.Options{}, "0 layers")
	f("a million layers", gguftest.New("llama").Set("llama.block_count", uint32(1e6)), gguf.Options{}, "1000000 layers")
	f("too few heads", gguftest.Llama31of8B().Set("llama.attention.head_count_kv", []uint32{1, 2}), gguf.Options{}, "2 values for 32 layers")
	f("heads in words", gguftest.Llama31of8B().Set("llama.attention.head_count_kv", "many"), gguf.Options{}, "isn't a number")
	f("a part of a model", gguftest.Llama31of8B().
		Set("split.count", uint16(2)).Set("split.no", uint16(0)).Set("split.tensors.count", int32(1000)), gguf.Options{}, "2 files")
}

// What it costs to show the memory for other contexts, as with a slider.
func BenchmarkEstimateMemory(b *testing.B) {
	h := gguftest.DeepSeekV3().Read()
	for b.Loop() {
		if _, err := gguf.EstimateMemory(h, gguf.Options{ContextTokens: 32768, GPUs: make([]gguf.GPU, 8)}); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleEstimateMemory() {
	h := gguftest.Llama31of8B().Read()
	for _, tokens := range []uint64{8 << 10, 128 << 10} {
		e, err := gguf.EstimateMemory(h, gguf.Options{
			ContextTokens: tokens,
			GPUs:          []gguf.GPU{{ID: "GPU-1", FreeBytes: 16 << 30}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d tokens: %s, %s\n", tokens, e.Verdict, e.Reason)
	}
	// Output:
	// 8192 tokens: fits, it needs 6.5 GiB of GPU memory, of which 16.0 GiB are free
	// 131072 tokens: spills, 10 of 33 layers don't fit in the 16.0 GiB that are free on GPUs: 7.3 GiB stay in the host's memory
}
