package gguf_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

func TestDescribeAModel(t *testing.T) {
	f := gguftest.New("llama").
		Set("general.name", "Some \xffModel").
		Set("general.license", "apache-2.0").
		Set("general.size_label", "8B").
		Set("general.file_type", uint32(15)).
		Set("general.base_model.count", uint32(1)).
		Set("general.base_model.0.name", "Some").
		Set("general.base_model.0.organization", "Somebody").
		Set("general.base_model.0.repo_url", "https://example.com/some").
		Set("llama.context_length", uint32(131072)).
		Set("llama.block_count", uint32(2)).
		Set("llama.embedding_length", uint32(256)).
		Set("llama.attention.head_count", uint32(8)).
		Set("llama.attention.head_count_kv", []int32{2, 4}).
		Set("llama.expert_count", uint32(8)).
		Set("llama.expert_used_count", uint32(2)).
		Set("llama.expert_shared_count", uint32(1)).
		Set("llama.rope.freq_base", float32(500000)).
		Set("llama.rope.scaling.type", "yarn").
		Set("llama.rope.scaling.factor", float32(8)).
		Set("llama.rope.scaling.original_context_length", uint32(16384)).
		Set("tokenizer.ggml.model", "gpt2").
		Set("tokenizer.chat_template", "{{ messages }}").
		Tensor("token_embd.weight", gguf.Q8_0, 256, 100).
		Tensor("blk.0.attn_q.weight", gguf.Q4K, 256, 256).
		Tensor("blk.0.ffn_norm.weight", gguf.F32, 256).
		Tensor("blk.1.ffn_up_exps.weight", gguf.Q4K, 256, 512, 8).
		Tensor("blk.1.ssm_out.weight", gguf.F16, 256, 256).
		Tensor("blk.1.something.weight", gguf.F32, 3).
		Tensor("rope_freqs.weight", gguf.F32, 16).
		Tensor("v.patch_embd.weight", gguf.F16, 100).
		Tensor("output_norm.weight", gguf.F32, 256)
	const embedding, attention, norm, experts, state = 100 * 256 / 32 * 34, 256 * 144, 1024, 512 * 8 * 144, 2 * 256 * 256
	want := gguf.Info{
		Kind: gguf.KindModel, Architecture: "llama", Name: "Some Model", License: "apache-2.0", SizeLabel: "8B",
		BaseModels: []gguf.BaseModel{{Name: "Some", Organization: "Somebody", URL: "https://example.com/some"}},
		Parameters: 100*256 + 256*256 + 256 + 256*512*8 + 256*256 + 3 + 16 + 100 + 256,
		Quantisation: gguf.Quantisation{
			Name: "Q4_K_M", Declared: "Q4_K_M",
			Types: []gguf.TypeShare{
				{Type: "Q4_K", Tensors: 2, Elements: 256*256 + 256*512*8, Bytes: attention + experts},
				{Type: "F16", Tensors: 2, Elements: 256*256 + 100, Bytes: state + 200},
				{Type: "Q8_0", Tensors: 1, Elements: 25600, Bytes: embedding},
				{Type: "F32", Tensors: 4, Elements: 256 + 3 + 16 + 256, Bytes: 4 * (256 + 3 + 16 + 256)},
			},
		},
		Weights: gguf.Weights{
			TokenEmbeddingBytes: embedding, OutputBytes: norm, TiedOutput: true, ProjectorBytes: 200, OtherBytes: 64,
			Layers: []gguf.LayerWeights{
				{AttentionBytes: attention, FeedForwardBytes: norm},
				{ExpertsBytes: experts, RecurrentBytes: state, OtherBytes: 12},
			},
		},
		ContextTokens: 131072, Layers: 2, EmbeddingLength: 256, Heads: 8, KVHeads: 4, VocabularySize: 100,
		RoPE:         gguf.RoPE{FrequencyBase: 500000, Scaling: "yarn", Factor: 8, OriginalContextTokens: 16384},
		MoE:          &gguf.MoE{Experts: 8, UsedExperts: 2, SharedExperts: 1, ExpertsBytes: experts},
		ChatTemplate: "{{ messages }}", Tokenizer: "gpt2", Vision: true,
	}
	want.WeightsBytes = embedding + attention + norm + experts + state + 12 + 64 + 200 + norm
	want.Quantisation.BitsPerWeight = 8 * float64(want.WeightsBytes) / float64(want.Parameters)
	if diff := cmp.Diff(want, gguf.Describe(f.Read())); diff != "" {
		t.Errorf("it differs:\n%s", diff)
	}
}

func TestDescribeADemonstrationModel(t *testing.T) {
	var file bytes.Buffer
	if err := tinymodel.Write(&file, tinymodel.Options{Name: "tiny", Architecture: tinymodel.Qwen3, ContextLength: 2048}); err != nil {
		t.Fatal(err)
	}
	h, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	info := gguf.Describe(h)
	if info.Kind != gguf.KindModel || info.Name != "tiny" || info.Architecture != "qwen3" || info.ContextTokens != 2048 {
		t.Errorf("it is %+v", info)
	}
	if q := info.Quantisation; q.Name != "F16" || q.Misdeclared {
		t.Errorf("the quantisation is %+v", q)
	}
	if info.ChatTemplate == "" || len(info.Weights.Layers) != 2 || info.WeightsBytes > uint64(file.Len()) {
		t.Errorf("it is %+v", info)
	}
}

func TestKinds(t *testing.T) {
	f := func(name string, file *gguftest.File, want gguf.Kind) {
		t.Helper()
		if got := gguf.Describe(file.Read()).Kind; got != want {
			t.Errorf("%s is of kind %q, want %q", name, got, want)
		}
	}
	tensor := func(f *gguftest.File) *gguftest.File { return f.Tensor("t", gguf.F32, 1) }
	f("a model", tensor(gguftest.New("llama")), gguf.KindModel)
	f("a model that says so", tensor(gguftest.New("llama").Set("general.type", "model")), gguf.KindModel)
	f("an adapter", tensor(gguftest.New("llama").Set("general.type", "adapter")), gguf.KindAdapter)
	f("an adapter of before", tensor(gguftest.New("llama").Set("adapter.type", "lora")), gguf.KindAdapter)
	f("a projector", tensor(gguftest.New("clip").Set("general.type", "mmproj")), gguf.KindProjector)
	f("a projector of before", tensor(gguftest.New("clip").Set("general.type", "clip-vision")), gguf.KindProjector)
	f("an imatrix", tensor(gguftest.New("").Set("general.type", "imatrix")), gguf.KindImatrix)
	f("a vocabulary", gguftest.New("llama").Set("tokenizer.ggml.model", "gpt2"), gguf.KindVocabulary)
	f("the first file of a model, without weights", gguftest.New("llama").
		Set("tokenizer.ggml.model", "gpt2").Set("split.count", uint16(2)), gguf.KindModel)
}

func TestQuantisationIsCheckedAgainstTheTensors(t *testing.T) {
	f := func(declared any, tensors gguf.TensorType, want string, misdeclared bool) {
		t.Helper()
		file := gguftest.New("llama").
			Tensor("token_embd.weight", gguf.Q8_0, 256, 4096). // most of it, but not what it is named after
			Tensor("blk.0.attn_norm.weight", gguf.F32, 1<<20).
			Tensor("blk.0.attn_q.weight", tensors, 256, 256)
		if declared != nil {
			file.Set("general.file_type", declared)
		}
		q := gguf.Describe(file.Read()).Quantisation
		if q.Name != want || q.Misdeclared != misdeclared {
			t.Errorf("%v of %v tensors is %q, misdeclared %v; want %q, %v", declared, tensors, q.Name, q.Misdeclared, want, misdeclared)
		}
	}
	f(uint32(15), gguf.Q4K, "Q4_K_M", false)
	f(uint32(14), gguf.Q4K, "Q4_K_S", false)
	f(uint64(7), gguf.Q8_0, "Q8_0", false)
	f(uint32(38), gguf.MXFP4, "MXFP4_MOE", false)
	f(uint32(1), gguf.Q4K, "Q4_K", true)
	f(uint32(0), gguf.Q8_0, "Q8_0", true)
	f(uint32(1024), gguf.Q6K, "Q6_K", false) // guessed
	f(uint64(math.MaxUint64), gguf.Q6K, "Q6_K", false)
	f(nil, gguf.BF16, "BF16", false)
	f("Q4_K_M", gguf.BF16, "BF16", false)
}

// Numbers that aren't are left out: they couldn't be sent.
func TestDescribeLeavesOutWhatIsNoNumber(t *testing.T) {
	for _, v := range []any{float32(math.Inf(1)), math.NaN(), "8"} {
		f := gguftest.New("llama").Set("llama.rope.freq_base", v).Set("llama.rope.scaling.factor", v)
		if got := gguf.Describe(f.Read()).RoPE; got != (gguf.RoPE{}) {
			t.Errorf("%v: %+v", v, got)
		}
	}
}

func TestDescribeAnAdapter(t *testing.T) {
	f := gguftest.New("llama").
		Set("general.type", "adapter").
		Set("adapter.type", "lora").
		Set("adapter.lora.alpha", float32(32)).
		Set("general.base_model.count", uint32(1)).
		Set("general.base_model.0.name", "Llama 3.1 8B").
		Tensor("blk.0.attn_q.weight.lora_a", gguf.F32, 4096, 16).
		Tensor("blk.0.attn_q.weight.lora_b", gguf.F32, 16, 4096)
	info := gguf.Describe(f.Read())
	if diff := cmp.Diff(&gguf.Adapter{Type: "lora", Rank: 16, Alpha: 32}, info.Adapter); diff != "" {
		t.Errorf("the adapter differs:\n%s", diff)
	}
	if len(info.BaseModels) != 1 || info.BaseModels[0].Name != "Llama 3.1 8B" {
		t.Errorf("its bases are %+v", info.BaseModels)
	}
}

// split returns the files of a model.
func split(n int) []*gguf.Header {
	whole := gguftest.Qwen25of7B().Read()
	var files []*gguf.Header
	for i := range n {
		f := gguftest.New("")
		if i == 0 {
			f = gguftest.Qwen25of7B().WithoutTensors()
		}
		f.Set("split.no", uint16(i)).Set("split.count", uint16(n)).Set("split.tensors.count", int32(len(whole.Tensors)))
		from, to := i*len(whole.Tensors)/n, (i+1)*len(whole.Tensors)/n
		for _, t := range whole.Tensors[from:to] {
			f.Tensor(t.Name, t.Type, t.Shape...)
		}
		files = append(files, f.Read())
	}
	return files
}

func TestJoin(t *testing.T) {
	files := split(3)
	if s := gguf.Describe(files[1]).Split; s == nil || s.Number != 1 || s.Count != 3 {
		t.Errorf("the second file says %+v", s)
	}
	joined, err := gguf.Join(files[2], files[0], files[1])
	if err != nil {
		t.Fatal(err)
	}
	whole := gguftest.Qwen25of7B().Read()
	want, got := gguf.Describe(whole), gguf.Describe(joined)
	got.Split = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the joined model differs:\n%s", diff)
	}
	o := gguf.Options{ContextTokens: 4096}
	wantEstimate, err := gguf.EstimateMemory(whole, o)
	if err != nil {
		t.Fatal(err)
	}
	gotEstimate, err := gguf.EstimateMemory(joined, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantEstimate, gotEstimate); diff != "" {
		t.Errorf("its estimate differs:\n%s", diff)
	}
	if single, err := gguf.Join(whole); err != nil || single != whole {
		t.Errorf("a single file: %v", err)
	}
}

func TestJoinRefuses(t *testing.T) {
	three, two := split(3), split(2)
	f := func(says string, files ...*gguf.Header) {
		t.Helper()
		_, err := gguf.Join(files...)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), says) {
			t.Errorf("%v, want one with %q", err, says)
		}
	}
	f("no file")
	f("is one of 3", three[0], three[1])
	f("is one of 3", three[0])
	f("number 0 of 3", three[0], three[1], three[0])
	f("is one of 2", two[0], three[1], three[2])
	f("isn't a part", gguftest.Qwen25of7B().Read(), two[1])
	other := gguftest.New("").Set("split.no", uint16(1)).Set("split.count", uint16(2)).Tensor("token_embd.weight", gguf.F32, 1).Read()
	f("in another one as well", two[0], other)
	other = gguftest.New("").Set("split.no", uint16(1)).Set("split.count", uint16(2)).Tensor("t", gguf.F32, 1).Read()
	f("says that the model has", two[0], other)
	other = gguftest.New("").Set("split.no", uint16(7)).Set("split.count", uint16(2)).Tensor("t", gguf.F32, 1).Read()
	f("number 7 of 2", two[0], other)
}
