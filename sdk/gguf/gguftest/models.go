package gguftest

import (
	"fmt"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// Models returns the headers of well-known models by their names: their real geometry,
// and weights of about the size of a Q4_K_M.
func Models() map[string]*File {
	return map[string]*File{
		"Llama-3.1-8B":   Llama31of8B(),
		"Llama-3.3-70B":  Llama33of70B(),
		"Qwen2.5-7B":     Qwen25of7B(),
		"Qwen3-30B-A3B":  Qwen3of30B(),
		"Gemma-3-27B":    Gemma3of27B(),
		"DeepSeek-V3":    DeepSeekV3(),
		"gpt-oss-20b":    GPTOSSof20B(),
		"Qwen3-Next-80B": Qwen3NextOf80B(),
		"Mamba-2.8B":     MambaOf2B(),
	}
}

// Llama31of8B has grouped attention.
func Llama31of8B() *File {
	return decoder{
		architecture: "llama", name: "Llama 3.1 8B Instruct", context: 131072, layers: 32, embedding: 4096,
		heads: 32, kvHeads: 8, headLength: 128, feedForward: 14336, vocabulary: 128256,
	}.file()
}

// Llama33of70B is large.
func Llama33of70B() *File {
	return decoder{
		architecture: "llama", name: "Llama 3.3 70B Instruct", context: 131072, layers: 80, embedding: 8192,
		heads: 64, kvHeads: 8, headLength: 128, feedForward: 28672, vocabulary: 128256,
	}.file()
}

// Qwen25of7B doesn't say how long its heads are.
func Qwen25of7B() *File {
	return decoder{
		architecture: "qwen2", name: "Qwen2.5 7B Instruct", context: 32768, layers: 28, embedding: 3584,
		heads: 28, kvHeads: 4, feedForward: 18944, vocabulary: 152064,
	}.file()
}

// Qwen3of30B is a mixture of experts whose heads are longer than its embedding says.
func Qwen3of30B() *File {
	return decoder{
		architecture: "qwen3moe", name: "Qwen3 30B A3B", context: 40960, layers: 48, embedding: 2048,
		heads: 32, kvHeads: 4, headLength: 128, feedForward: 6144, vocabulary: 151936,
		experts: 128, usedExperts: 8, expertLength: 768,
	}.file()
}

// Gemma3of27B has a sliding window in five of six layers, and no output of its own.
func Gemma3of27B() *File {
	return decoder{
		architecture: "gemma3", name: "Gemma 3 27B It", context: 131072, layers: 62, embedding: 5376,
		heads: 32, kvHeads: 16, headLength: 128, feedForward: 21504, vocabulary: 262208, tied: true,
	}.file().Set("gemma3.attention.sliding_window", uint32(1024))
}

// DeepSeekV3 has latent attention.
func DeepSeekV3() *File {
	return decoder{
		architecture: "deepseek2", name: "DeepSeek V3", context: 163840, layers: 61, embedding: 7168,
		heads: 128, kvHeads: 1, headLength: 576, feedForward: 18432, vocabulary: 129280,
		experts: 256, usedExperts: 8, expertLength: 2048,
	}.file().
		Set("deepseek2.attention.value_length", uint32(512)).
		Set("deepseek2.attention.key_length_mla", uint32(192)).
		Set("deepseek2.attention.value_length_mla", uint32(128)).
		Set("deepseek2.attention.kv_lora_rank", uint32(512)).
		Set("deepseek2.attention.q_lora_rank", uint32(1536)).
		Set("deepseek2.rope.dimension_count", uint32(64)).
		Set("deepseek2.rope.scaling.type", "yarn").
		Set("deepseek2.rope.scaling.factor", float32(40)).
		Set("deepseek2.rope.scaling.original_context_length", uint32(4096))
}

// GPTOSSof20B has a sliding window in every other layer.
func GPTOSSof20B() *File {
	return decoder{
		architecture: "gpt-oss", name: "gpt-oss 20b", context: 131072, layers: 24, embedding: 2880,
		heads: 64, kvHeads: 8, headLength: 64, feedForward: 2880, vocabulary: 201088,
		experts: 32, usedExperts: 4, expertLength: 2880, weights: gguf.MXFP4, fileType: 38,
	}.file().Set("gpt-oss.attention.sliding_window", uint32(128))
}

// Qwen3NextOf80B has three recurrent layers for each one with attention.
func Qwen3NextOf80B() *File {
	return decoder{
		architecture: "qwen3next", name: "Qwen3 Next 80B A3B", context: 262144, layers: 48, embedding: 2048,
		heads: 16, kvHeads: 2, headLength: 256, feedForward: 5120, vocabulary: 151936,
		experts: 512, usedExperts: 10, expertLength: 512,
	}.file().
		Set("qwen3next.full_attention_interval", uint32(4)).
		Set("qwen3next.ssm.conv_kernel", uint32(4)).
		Set("qwen3next.ssm.state_size", uint32(128)).
		Set("qwen3next.ssm.group_count", uint32(16)).
		Set("qwen3next.ssm.time_step_rank", uint32(32)).
		Set("qwen3next.ssm.inner_size", uint32(4096))
}

// MambaOf2B is recurrent in all layers.
func MambaOf2B() *File {
	f := New("mamba").
		Set("general.name", "Mamba 2.8B").
		Set("general.file_type", uint32(1)).
		Set("mamba.context_length", uint32(1<<20)).
		Set("mamba.block_count", uint32(64)).
		Set("mamba.embedding_length", uint32(2560)).
		Set("mamba.feed_forward_length", uint32(0)).
		Set("mamba.attention.head_count", uint32(0)).
		Set("mamba.ssm.conv_kernel", uint32(4)).
		Set("mamba.ssm.inner_size", uint32(5120)).
		Set("mamba.ssm.state_size", uint32(16)).
		Set("mamba.ssm.time_step_rank", uint32(160)).
		Tensor("token_embd.weight", gguf.F16, 2560, 50280).
		Tensor("output_norm.weight", gguf.F32, 2560)
	for i := range 64 {
		at := fmt.Sprintf("blk.%d.", i)
		f.Tensor(at+"ssm_in.weight", gguf.F16, 2560, 10240).
			Tensor(at+"ssm_out.weight", gguf.F16, 5120, 2560).
			Tensor(at+"attn_norm.weight", gguf.F32, 2560)
	}
	return f
}

// decoder is what most language models are made of.
type decoder struct {
	architecture, name   string
	context, layers      uint32
	embedding            uint32
	heads, kvHeads       uint32
	headLength           uint32 // 0 isn't declared
	feedForward          uint32
	vocabulary           uint64
	experts, usedExperts uint32
	expertLength         uint32
	tied                 bool // without an output of its own
	weights              gguf.TensorType
	fileType             uint32
}

func (d decoder) file() *File {
	if d.weights == 0 {
		d.weights, d.fileType = gguf.Q4K, 15
	}
	f := New(d.architecture).
		Set("general.type", "model").
		Set("general.name", d.name).
		Set("general.file_type", d.fileType)
	set := func(key string, n uint32) {
		if n > 0 {
			f.Set(d.architecture+"."+key, n)
		}
	}
	set("context_length", d.context)
	set("block_count", d.layers)
	set("embedding_length", d.embedding)
	set("feed_forward_length", d.feedForward)
	set("attention.head_count", d.heads)
	set("attention.head_count_kv", d.kvHeads)
	set("attention.key_length", d.headLength)
	set("attention.value_length", d.headLength)
	set("expert_count", d.experts)
	set("expert_used_count", d.usedExperts)
	set("expert_feed_forward_length", d.expertLength)
	f.Set("tokenizer.ggml.model", "gpt2").
		Set("tokenizer.ggml.tokens", []string{"a", "b", "c"}).
		Set("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}")
	d.tensors(f)
	return f
}

func (d decoder) tensors(f *File) {
	length := uint64(d.headLength)
	if length == 0 {
		length = uint64(d.embedding / d.heads)
	}
	embedding, keys := uint64(d.embedding), uint64(d.kvHeads)*length
	f.Tensor("token_embd.weight", gguf.Q8_0, embedding, d.vocabulary)
	for i := range d.layers {
		at := fmt.Sprintf("blk.%d.", i)
		f.Tensor(at+"attn_norm.weight", gguf.F32, embedding).
			Tensor(at+"attn_q.weight", gguf.Q8_0, embedding, uint64(d.heads)*length).
			Tensor(at+"attn_k.weight", gguf.Q8_0, embedding, keys).
			Tensor(at+"attn_v.weight", gguf.Q8_0, embedding, keys).
			Tensor(at+"attn_output.weight", gguf.Q8_0, uint64(d.heads)*length, embedding).
			Tensor(at+"ffn_norm.weight", gguf.F32, embedding)
		d.feedForwardTensors(f, at)
	}
	f.Tensor("output_norm.weight", gguf.F32, embedding)
	if !d.tied {
		f.Tensor("output.weight", gguf.Q8_0, embedding, d.vocabulary)
	}
}

func (d decoder) feedForwardTensors(f *File, at string) {
	embedding, length := uint64(d.embedding), uint64(d.feedForward)
	if d.experts == 0 {
		f.Tensor(at+"ffn_gate.weight", d.weights, embedding, length).
			Tensor(at+"ffn_up.weight", d.weights, embedding, length).
			Tensor(at+"ffn_down.weight", d.weights, length, embedding)
		return
	}
	experts, length := uint64(d.experts), uint64(d.expertLength)
	f.Tensor(at+"ffn_gate_inp.weight", gguf.F32, embedding, experts).
		Tensor(at+"ffn_gate_exps.weight", d.weights, embedding, length, experts).
		Tensor(at+"ffn_up_exps.weight", d.weights, embedding, length, experts).
		Tensor(at+"ffn_down_exps.weight", d.weights, length, embedding, experts)
}
