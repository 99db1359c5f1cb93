package main

import (
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/safetensors"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// geometryOf returns what an estimate of memory needs, as far as the GGUF that Ollama
// makes is foreseen: of decoders without anything unusual, in sixteen bits. nil is that
// it is not.
func geometryOf(c config, tensors []safetensors.Tensor) map[loader.Role][]byte {
	architecture := map[string]string{
		"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma", "gemma2": "gemma2", "phi3": "phi3",
	}[c.ModelType]
	d := c.text()
	if architecture == "" || d.Layers == 0 || d.HiddenSize == 0 || d.Heads == 0 {
		return nil
	}
	h := &gguf.Header{Version: 3, AlignmentBytes: 32, Metadata: gguf.Metadata{{Key: "general.architecture", Value: architecture}}}
	for _, one := range []struct {
		key string
		n   int64
	}{
		{"block_count", d.Layers},
		{"embedding_length", d.HiddenSize},
		{"attention.head_count", d.Heads},
		{"attention.head_count_kv", d.KVHeads},
		{"attention.key_length", d.HeadLength},
		{"attention.value_length", d.HeadLength},
		{"feed_forward_length", d.FeedForward},
		{"context_length", d.MaxPositions},
	} {
		if one.n > 0 {
			h.Metadata = append(h.Metadata, gguf.Entry{Key: architecture + "." + one.key, Value: uint32(one.n)})
		}
	}
	for _, t := range tensors {
		name := nameInGGUF(t.Name)
		n := t.Elements()
		if len(name) > 60 || n == 0 || n > 1<<40 {
			return nil
		}
		h.Tensors = append(h.Tensors, gguf.Tensor{Name: name, Shape: reversed(t.Shape), Type: gguf.F16, SizeBytes: int64(2 * n)})
	}
	condensed := h.Condense()
	if _, err := gguf.ReadCondensed(condensed); err != nil {
		return nil // it has what no GGUF has
	}
	return map[loader.Role][]byte{loader.RoleModel: condensed}
}

// nameInGGUF returns what a tensor is called there, as far as that says what it is for.
func nameInGGUF(name string) string {
	name = strings.TrimPrefix(name, "model.")
	if rest, ok := strings.CutPrefix(name, "layers."); ok {
		number, part, _ := strings.Cut(rest, ".")
		part = strings.NewReplacer("self_attn.", "attn_", "mlp.", "ffn_").Replace(part)
		return "blk." + number + "." + part
	}
	return strings.NewReplacer("embed_tokens.", "token_embd.", "lm_head.", "output.").Replace(name)
}

// reversed returns dimensions as a GGUF has them: that whose elements lie next to each
// other first.
func reversed(shape []uint64) []uint64 {
	out := make([]uint64, len(shape))
	for i, n := range shape {
		out[len(shape)-1-i] = n
	}
	return out
}
