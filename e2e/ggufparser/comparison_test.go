// Package ggufparser_test holds what sdk/gguf says of models against an independent reader
// of such files. It is here, and not beside that package, so that authors of plugins don't
// get the reader's dependencies with the SDK.
package ggufparser_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	parser "github.com/gpustack/gguf-parser-go"

	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// parse has the other reader read a file of a header and so many bytes of zeros, which take
// no room on the disk.
func parse(t *testing.T, header []byte, size int64) *parser.GGUFFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, header, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseGGUFFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// eachModel runs a test with every model that both readers read.
func eachModel(t *testing.T, test func(t *testing.T, ours *gguf.Header, theirs *parser.GGUFFile)) {
	for name, f := range gguftest.Models() {
		t.Run(name, func(t *testing.T) { test(t, f.Read(), parse(t, f.Header(), f.SizeBytes())) })
	}
}

func TestHeadersAreReadAlike(t *testing.T) { eachModel(t, compareHeaders) }

func TestDemonstrationModelsAreReadAlike(t *testing.T) {
	for _, architecture := range []tinymodel.Architecture{tinymodel.Llama, tinymodel.Qwen2, tinymodel.Qwen3} {
		t.Run(string(architecture), func(t *testing.T) {
			var file bytes.Buffer
			if err := tinymodel.Write(&file, tinymodel.Options{Architecture: architecture}); err != nil {
				t.Fatal(err)
			}
			ours, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
			if err != nil {
				t.Fatal(err)
			}
			compareHeaders(t, ours, parse(t, file.Bytes(), int64(file.Len())))
		})
	}
}

// tensor is what both readers say of a tensor.
type tensor struct {
	Name   string
	Type   string
	Shape  []uint64
	Offset uint64
	Bytes  uint64
}

func compareHeaders(t *testing.T, ours *gguf.Header, theirs *parser.GGUFFile) {
	var ourTensors, theirTensors []tensor
	for _, i := range ours.Tensors {
		ourTensors = append(ourTensors, tensor{i.Name, i.Type.String(), i.Shape, uint64(i.OffsetBytes), uint64(i.SizeBytes)})
	}
	for _, i := range theirs.TensorInfos {
		theirTensors = append(theirTensors, tensor{i.Name, i.Type.String(), i.Dimensions, i.Offset, i.Bytes()})
	}
	if diff := cmp.Diff(theirTensors, ourTensors); diff != "" {
		t.Errorf("tensors differ (-theirs +ours):\n%s", diff)
	}
	if len(ours.Metadata) != len(theirs.Header.MetadataKV) {
		t.Errorf("we read %d keys, they %d", len(ours.Metadata), len(theirs.Header.MetadataKV))
	}
	for i, kv := range theirs.Header.MetadataKV {
		e := ours.Metadata[i]
		if e.Key != kv.Key {
			t.Errorf("key %d is %q to us and %q to them", i, e.Key, kv.Key)
		}
		if a, isArray := e.Value.(gguf.Array); isArray {
			if them := kv.ValueArray(); uint64(a.Len) != them.Len || uint32(a.Type) != uint32(them.Type) {
				t.Errorf("%s has %d of %v to us, and %d of %v to them", e.Key, a.Len, a.Type, them.Len, them.Type)
			}
		} else if diff := cmp.Diff(kv.Value, e.Value); diff != "" {
			t.Errorf("%s differs (-theirs +ours):\n%s", e.Key, diff)
		}
	}
	if ours.DataOffsetBytes != theirs.TensorDataStartOffset {
		t.Errorf("the weights begin at %d to us, and at %d to them", ours.DataOffsetBytes, theirs.TensorDataStartOffset)
	}
	compareDescriptions(t, gguf.Describe(ours), theirs.Metadata(), theirs.Architecture())
}

func compareDescriptions(t *testing.T, ours gguf.Info, theirs parser.GGUFMetadata, architecture parser.GGUFArchitecture) {
	type description struct {
		Architecture, Name, Kind    string
		Parameters, WeightsBytes    uint64
		Context, Layers, Embedding  uint64
		Heads, Experts, UsedExperts uint64
	}
	want := description{
		theirs.Architecture, theirs.Name, theirs.Type, uint64(theirs.Parameters), uint64(theirs.Size),
		architecture.MaximumContextLength, architecture.BlockCount, architecture.EmbeddingLength,
		architecture.AttentionHeadCount, uint64(architecture.ExpertCount), uint64(architecture.ExpertUsedCount),
	}
	got := description{
		ours.Architecture, ours.Name, string(ours.Kind), ours.Parameters, ours.WeightsBytes,
		ours.ContextTokens, ours.Layers, ours.EmbeddingLength, ours.Heads, 0, 0,
	}
	if ours.MoE != nil {
		got.Experts, got.UsedExperts = ours.MoE.Experts, ours.MoE.UsedExperts
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("descriptions differ (-theirs +ours):\n%s", diff)
	}
}

// layouts are models of small size with the ways of remembering that architectures have.
func layouts() map[string]*gguftest.File {
	plain := func(architecture string, layers uint32) *gguftest.File {
		return gguftest.Decoder{
			Architecture: architecture, ContextTokens: 1 << 17, Layers: layers, EmbeddingLength: 1024,
			Heads: 16, KVHeads: 4, HeadLength: 128, FeedForward: 4096, Vocabulary: 32000,
		}.File()
	}
	windowed := func(architecture string, layers uint32) *gguftest.File {
		return plain(architecture, layers).Set(architecture+".attention.sliding_window", uint32(1024))
	}
	states := func(architecture string, kvHeads ...uint32) *gguftest.File {
		f := plain(architecture, uint32(len(kvHeads))).
			Set(architecture+".ssm.conv_kernel", uint32(4)).
			Set(architecture+".ssm.inner_size", uint32(2048)).
			Set(architecture+".ssm.state_size", uint32(128)).
			Set(architecture+".ssm.group_count", uint32(2)).
			Set(architecture+".ssm.time_step_rank", uint32(16))
		return f.Set(architecture+".attention.head_count_kv", kvHeads)
	}
	all := map[string]*gguftest.File{
		"llama with a window that nobody keeps to": windowed("llama", 8),
		"phi3":                  windowed("phi3", 8),
		"llama4":                plain("llama4", 8),
		"exaone4 of 32 layers":  windowed("exaone4", 32),
		"exaone4 of 64 layers":  windowed("exaone4", 64),
		"gemma3n":               windowed("gemma3n", 30),
		"gemma2 without saying": plain("gemma2", 8),
		"a pattern of the file": windowed("llama", 9).Set("llama.attention.sliding_window_pattern", uint32(3)),
		"gemma4": windowed("gemma4", 6).
			Set("gemma4.attention.sliding_window_pattern", []bool{true, true, false, true, true, false}).
			Set("gemma4.attention.key_length_swa", uint32(64)).
			Set("gemma4.attention.value_length_swa", uint32(64)).
			Set("gemma4.attention.shared_kv_layers", uint32(2)),
		"heads by layer": plain("deci", 4).Set("deci.attention.head_count_kv", []uint32{4, 0, 2, 4}),
		"granitehybrid":  states("granitehybrid", 0, 0, 4, 0),
		"jamba":          states("jamba", 0, 4, 0, 4),
		"falcon-h1":      states("falcon-h1", 4, 4),
		"qwen35":         states("qwen35", 4, 4, 4, 4).Set("qwen35.attention.head_count_kv", uint32(4)).Set("qwen35.full_attention_interval", uint32(4)),
		"qwen35 that guesses ahead": states("qwen35", 4, 4, 4, 4, 4).Set("qwen35.attention.head_count_kv", uint32(4)).
			Set("qwen35.full_attention_interval", uint32(4)).Set("qwen35.nextn_predict_layers", uint32(1)),
		"glm4moe":     plain("glm4moe", 5).Set("glm4moe.nextn_predict_layers", uint32(1)),
		"mimo2":       plain("mimo2", 5).Set("mimo2.nextn_predict_layers", uint32(1)),
		"lfm2":        plain("lfm2", 4).Set("lfm2.attention.head_count_kv", []uint32{0, 4, 0, 4}).Set("lfm2.shortconv.l_cache", uint32(3)),
		"rwkv7":       plain("rwkv7", 4).Set("rwkv7.wkv.head_size", uint32(64)).Set("rwkv7.token_shift_count", uint32(2)),
		"kimi-linear": states("kimi-linear", 0, 0, 0, 4).Set("kimi-linear.kda.head_dim", uint32(128)),
	}
	for _, architecture := range []string{"afmoe", "cohere2", "gemma2", "gemma3", "gpt-oss", "olmo2", "plamo3", "smallthinker"} {
		all[architecture] = windowed(architecture, 16)
	}
	return all
}

func TestCachesAreEstimatedAlike(t *testing.T) {
	for name, f := range layouts() {
		for _, tokens := range []uint64{512, 16 << 10} {
			for _, parallel := range []uint64{1, 3} {
				t.Run(fmt.Sprintf("%s with %d tokens for %d", name, tokens, parallel), func(t *testing.T) {
					e := estimate(t, f.Read(), tokens, parallel)
					_, gpu := estimateOfTheirs(parse(t, f.Header(), f.SizeBytes()), tokens, parallel)
					if want := uint64(gpu.KVCache.Sum()); e.CacheBytes != want {
						t.Errorf("the cache is %d to us and %d to them", e.CacheBytes, want)
					}
				})
			}
		}
	}
}

func estimate(t *testing.T, h *gguf.Header, tokens, parallel uint64) gguf.Estimate {
	t.Helper()
	e, err := gguf.EstimateMemory(h, gguf.Options{
		ContextTokens: tokens, Parallel: parallel, GPUs: []gguf.GPU{{FreeBytes: 1 << 42}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// estimateOfTheirs returns what the other reader estimates for the host and for the GPU.
func estimateOfTheirs(f *parser.GGUFFile, tokens, parallel uint64) (host, gpu parser.LLaMACppRunDeviceUsage) {
	usage := f.EstimateLLaMACppRun(
		parser.WithLLaMACppContextSize(int32(tokens*parallel)), // of all requests
		parser.WithParallelSize(int32(parallel)),
		parser.WithFlashAttention(),
		parser.WithLLaMACppLogicalBatchSize(512),
		parser.WithLLaMACppPhysicalBatchSize(512),
		parser.WithLLaMACppOffloadLayers(1<<20),
	).Devices
	return usage[0], usage[1]
}

// Everything is on one GPU, where both estimates can be told apart by what it is for.
func TestMemoryIsEstimatedAlike(t *testing.T) {
	eachModel(t, func(t *testing.T, ours *gguf.Header, theirs *parser.GGUFFile) {
		for _, tokens := range []uint64{4 << 10, 32 << 10} {
			for _, parallel := range []uint64{1, 3} {
				t.Run(fmt.Sprintf("%d tokens for %d", tokens, parallel), func(t *testing.T) {
					compareEstimates(t, ours, theirs, tokens, parallel)
				})
			}
		}
	})
}

func compareEstimates(t *testing.T, ours *gguf.Header, theirs *parser.GGUFFile, tokens, parallel uint64) {
	e := estimate(t, ours, tokens, parallel)
	host, gpu := estimateOfTheirs(theirs, tokens, parallel)
	if want := uint64(gpu.Weight.Sum()); e.GPUs[0].WeightsBytes != want {
		t.Errorf("weights are %d to us and %d to them", e.GPUs[0].WeightsBytes, want)
	}
	cache := uint64(gpu.KVCache.Sum())
	if ours.Architecture() == "deepseek2" {
		// They take the length of unpacked heads for that of the packed one.
		cache = cache / (192 + 128) * (512 + 64)
	}
	if e.CacheBytes != cache {
		t.Errorf("the cache is %d to us and %d to them", e.CacheBytes, cache)
	}
	// They have the output apart, as if on the host.
	compute := float64(max(gpu.Computation.Input+gpu.Computation.Compute, host.Computation.Output))
	// What several requests need for it they estimate as if those had one cache together.
	if ratio := float64(e.ComputeBytes) / compute; parallel == 1 && (ratio < 0.8 || ratio > 1.25) {
		t.Errorf("compute is %d to us and %.0f to them", e.ComputeBytes, compute)
	}
	total := float64(gpu.Weight.Sum()) + float64(cache) + compute
	if ratio := float64(e.GPUBytes-e.OverheadBytes) / total; ratio < 0.95 || ratio > 1.05 {
		t.Errorf("the GPU gets %d by us and %.0f by them", e.GPUBytes-e.OverheadBytes, total)
	}
}
