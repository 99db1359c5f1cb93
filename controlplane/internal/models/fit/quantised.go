package fit

import (
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/gguf"
)

// quantised returns the header that a model has when a host has quantised it. Where that
// mixes types, the larger one stands for the tensors that may get it.
func quantised(h *gguf.Header, to string) *gguf.Header {
	most, some := gguf.Q4K, gguf.Q6K
	switch strings.ToLower(to) {
	case "q8_0":
		most, some = gguf.Q8_0, gguf.Q8_0
	case "q4_k_m":
	case "q4_k_s":
		some = gguf.Q5K
	case "f16", "bf16":
		most, some = gguf.F16, gguf.F16
	default:
		return h
	}
	q := *h
	q.Tensors = slices.Clone(h.Tensors)
	for i := range q.Tensors {
		t := &q.Tensors[i]
		if !float(t.Type) || len(t.Shape) < 2 {
			continue
		}
		t.Type = most
		if t.Name == "output.weight" || strings.Contains(t.Name, "attn_v") || strings.Contains(t.Name, "ffn_down") {
			t.Type = some
		}
		t.SizeBytes = int64(min(t.Type.Bytes(t.Elements()), 1<<62))
	}
	return &q
}

func float(t gguf.TensorType) bool { return t == gguf.F32 || t == gguf.F16 || t == gguf.BF16 }
