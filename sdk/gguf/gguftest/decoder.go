package gguftest

import (
	"fmt"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// Decoder is what most language models are made of. A zero field isn't declared, but for
// those that say otherwise.
type Decoder struct {
	Architecture, Name   string
	ContextTokens        uint32
	Layers               uint32
	EmbeddingLength      uint32
	Heads, KVHeads       uint32
	HeadLength           uint32 // not declared, it is EmbeddingLength by Heads
	FeedForward          uint32
	Vocabulary           uint64 // rows of the embedding
	Experts, UsedExperts uint32
	ExpertLength         uint32
	Tied                 bool            // without an output of its own
	Weights              gguf.TensorType // of the feed-forward part; zero is Q4_K, and a FileType of 15
	FileType             uint32
}

// File returns the file that describes the model and has its tensors, for more to be set.
func (d Decoder) File() *File {
	if d.Weights == 0 {
		d.Weights, d.FileType = gguf.Q4K, 15
	}
	f := New(d.Architecture).
		Set("general.type", "model").
		Set("general.name", d.Name).
		Set("general.file_type", d.FileType)
	set := func(key string, n uint32) {
		if n > 0 {
			f.Set(d.Architecture+"."+key, n)
		}
	}
	set("context_length", d.ContextTokens)
	set("block_count", d.Layers)
	set("embedding_length", d.EmbeddingLength)
	set("feed_forward_length", d.FeedForward)
	set("attention.head_count", d.Heads)
	set("attention.head_count_kv", d.KVHeads)
	set("attention.key_length", d.HeadLength)
	set("attention.value_length", d.HeadLength)
	set("expert_count", d.Experts)
	set("expert_used_count", d.UsedExperts)
	set("expert_feed_forward_length", d.ExpertLength)
	f.Set("tokenizer.ggml.model", "gpt2").
		Set("tokenizer.ggml.tokens", []string{"a", "b", "c"}).
		Set("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}")
	d.tensors(f)
	return f
}

func (d Decoder) tensors(f *File) {
	length := uint64(d.HeadLength)
	if length == 0 {
		length = uint64(d.EmbeddingLength / d.Heads)
	}
	embedding, keys := uint64(d.EmbeddingLength), uint64(d.KVHeads)*length
	f.Tensor("token_embd.weight", gguf.Q8_0, embedding, d.Vocabulary)
	for i := range d.Layers {
		at := fmt.Sprintf("blk.%d.", i)
		f.Tensor(at+"attn_norm.weight", gguf.F32, embedding).
			Tensor(at+"attn_q.weight", gguf.Q8_0, embedding, uint64(d.Heads)*length).
			Tensor(at+"attn_k.weight", gguf.Q8_0, embedding, keys).
			Tensor(at+"attn_v.weight", gguf.Q8_0, embedding, keys).
			Tensor(at+"attn_output.weight", gguf.Q8_0, uint64(d.Heads)*length, embedding).
			Tensor(at+"ffn_norm.weight", gguf.F32, embedding)
		d.feedForward(f, at)
	}
	f.Tensor("output_norm.weight", gguf.F32, embedding)
	if !d.Tied {
		f.Tensor("output.weight", gguf.Q8_0, embedding, d.Vocabulary)
	}
}

func (d Decoder) feedForward(f *File, at string) {
	embedding, length := uint64(d.EmbeddingLength), uint64(d.FeedForward)
	if d.Experts == 0 {
		f.Tensor(at+"ffn_gate.weight", d.Weights, embedding, length).
			Tensor(at+"ffn_up.weight", d.Weights, embedding, length).
			Tensor(at+"ffn_down.weight", d.Weights, length, embedding)
		return
	}
	experts, length := uint64(d.Experts), uint64(d.ExpertLength)
	f.Tensor(at+"ffn_gate_inp.weight", gguf.F32, embedding, experts).
		Tensor(at+"ffn_gate_exps.weight", d.Weights, embedding, length, experts).
		Tensor(at+"ffn_up_exps.weight", d.Weights, embedding, length, experts).
		Tensor(at+"ffn_down_exps.weight", d.Weights, length, embedding, experts)
}
