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
	return Decoder{
		Architecture: "llama", Name: "Llama 3.1 8B Instruct", ContextTokens: 131072, Layers: 32, EmbeddingLength: 4096,
		Heads: 32, KVHeads: 8, HeadLength: 128, FeedForward: 14336, Vocabulary: 128256,
	}.File()
}

// Llama33of70B is large.
func Llama33of70B() *File {
	return Decoder{
		Architecture: "llama", Name: "Llama 3.3 70B Instruct", ContextTokens: 131072, Layers: 80, EmbeddingLength: 8192,
		Heads: 64, KVHeads: 8, HeadLength: 128, FeedForward: 28672, Vocabulary: 128256,
	}.File()
}

// Qwen25of7B doesn't say how long its heads are.
func Qwen25of7B() *File {
	return Decoder{
		Architecture: "qwen2", Name: "Qwen2.5 7B Instruct", ContextTokens: 32768, Layers: 28, EmbeddingLength: 3584,
		Heads: 28, KVHeads: 4, FeedForward: 18944, Vocabulary: 152064,
	}.File()
}

// Qwen3of30B is a mixture of experts whose heads are longer than its embedding says.
func Qwen3of30B() *File {
	return Decoder{
		Architecture: "qwen3moe", Name: "Qwen3 30B A3B", ContextTokens: 40960, Layers: 48, EmbeddingLength: 2048,
		Heads: 32, KVHeads: 4, HeadLength: 128, FeedForward: 6144, Vocabulary: 151936,
		Experts: 128, UsedExperts: 8, ExpertLength: 768,
	}.File()
}

// Gemma3of27B has a sliding window in five of six layers, and no output of its own.
func Gemma3of27B() *File {
	return Decoder{
		Architecture: "gemma3", Name: "Gemma 3 27B It", ContextTokens: 131072, Layers: 62, EmbeddingLength: 5376,
		Heads: 32, KVHeads: 16, HeadLength: 128, FeedForward: 21504, Vocabulary: 262208, Tied: true,
	}.File().Set("gemma3.attention.sliding_window", uint32(1024))
}

// DeepSeekV3 has latent attention.
func DeepSeekV3() *File {
	return Decoder{
		Architecture: "deepseek2", Name: "DeepSeek V3", ContextTokens: 163840, Layers: 61, EmbeddingLength: 7168,
		Heads: 128, KVHeads: 1, HeadLength: 576, FeedForward: 18432, Vocabulary: 129280,
		Experts: 256, UsedExperts: 8, ExpertLength: 2048,
	}.File().
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
	return Decoder{
		Architecture: "gpt-oss", Name: "gpt-oss 20b", ContextTokens: 131072, Layers: 24, EmbeddingLength: 2880,
		Heads: 64, KVHeads: 8, HeadLength: 64, FeedForward: 2880, Vocabulary: 201088,
		Experts: 32, UsedExperts: 4, ExpertLength: 2880, Weights: gguf.MXFP4, FileType: 38,
	}.File().Set("gpt-oss.attention.sliding_window", uint32(128))
}

// Qwen3NextOf80B has three recurrent layers for each one with attention.
func Qwen3NextOf80B() *File {
	return Decoder{
		Architecture: "qwen3next", Name: "Qwen3 Next 80B A3B", ContextTokens: 262144, Layers: 48, EmbeddingLength: 2048,
		Heads: 16, KVHeads: 2, HeadLength: 256, FeedForward: 5120, Vocabulary: 151936,
		Experts: 512, UsedExperts: 10, ExpertLength: 512,
	}.File().
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
