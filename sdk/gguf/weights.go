package gguf

import (
	"strconv"
	"strings"
)

// Weights are the bytes of a model's tensors, by what they are for.
type Weights struct {
	// TokenEmbeddingBytes are looked up and stay in the host's memory.
	TokenEmbeddingBytes uint64 `json:"token_embedding"`
	// OutputBytes are of the last matrix with its norm. A model without one of its own
	// uses the token embedding a second time: then TiedOutput is set.
	OutputBytes uint64 `json:"output"`
	TiedOutput  bool   `json:"tied_output,omitempty"`
	// ProjectorBytes are of parts for pictures and sound.
	ProjectorBytes uint64         `json:"projector,omitempty"`
	OtherBytes     uint64         `json:"other,omitempty"`
	Layers         []LayerWeights `json:"layers"`
}

// LayerWeights are the bytes of one layer.
type LayerWeights struct {
	AttentionBytes   uint64 `json:"attention"`
	FeedForwardBytes uint64 `json:"feed_forward"`
	ExpertsBytes     uint64 `json:"experts,omitempty"`   // of which a token uses some
	RecurrentBytes   uint64 `json:"recurrent,omitempty"` // of state-space and convolution parts
	OtherBytes       uint64 `json:"other,omitempty"`
}

// Bytes returns the bytes of the whole layer.
func (l LayerWeights) Bytes() uint64 {
	return sum(l.AttentionBytes, l.FeedForwardBytes, l.ExpertsBytes, l.RecurrentBytes, l.OtherBytes)
}

// Bytes returns the bytes of all tensors.
func (w Weights) Bytes() uint64 {
	total := sum(w.TokenEmbeddingBytes, w.OutputBytes, w.ProjectorBytes, w.OtherBytes)
	for _, l := range w.Layers {
		total = sum(total, l.Bytes())
	}
	return total
}

// maxLayers is how many layers a model is believed to have: a number of a layer beyond
// it is taken for a part of a name.
const maxLayers = 4096

// weights adds up the tensors.
func (h *Header) weights() Weights {
	var w Weights
	hasOutput := false
	for _, t := range h.Tensors {
		size, place := uint64(t.SizeBytes), placeOf(t.Name)
		switch place.part {
		case partTokenEmbedding:
			w.TokenEmbeddingBytes = sum(w.TokenEmbeddingBytes, size)
		case partOutput:
			w.OutputBytes = sum(w.OutputBytes, size)
			hasOutput = hasOutput || t.Name == "output.weight"
		case partProjector:
			w.ProjectorBytes = sum(w.ProjectorBytes, size)
		case partOther:
			w.OtherBytes = sum(w.OtherBytes, size)
		default:
			for len(w.Layers) <= place.layer {
				w.Layers = append(w.Layers, LayerWeights{})
			}
			l := &w.Layers[place.layer]
			switch place.part {
			case partAttention:
				l.AttentionBytes = sum(l.AttentionBytes, size)
			case partFeedForward:
				l.FeedForwardBytes = sum(l.FeedForwardBytes, size)
			case partExperts:
				l.ExpertsBytes = sum(l.ExpertsBytes, size)
			case partRecurrent:
				l.RecurrentBytes = sum(l.RecurrentBytes, size)
			default:
				l.OtherBytes = sum(l.OtherBytes, size)
			}
		}
	}
	w.TiedOutput = !hasOutput && w.TokenEmbeddingBytes > 0
	return w
}

// part is what a tensor is for.
type part int

const (
	partOther part = iota
	partTokenEmbedding
	partOutput
	partProjector
	// The following are of layers.
	partAttention
	partFeedForward
	partExperts
	partRecurrent
	partOtherOfLayer
)

// place is where a tensor belongs.
type place struct {
	part  part
	layer int // -1 is none
}

// placeOf tells from its name where a tensor belongs.
func placeOf(name string) place {
	if rest, in := strings.CutPrefix(name, "blk."); in {
		number, rest, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < maxLayers {
			return place{partOfLayer(rest), n}
		}
		return place{partOther, -1}
	}
	switch {
	case hasAnyPrefix(name, "token_embd.", "per_layer_token_embd.", "position_embd.", "token_types."):
		return place{partTokenEmbedding, -1}
	case hasAnyPrefix(name, "output.", "output_norm.", "output_norm_", "output_b."):
		return place{partOutput, -1}
	case hasAnyPrefix(name, "v.", "mm.", "a.", "vision.", "audio.", "model.vision"):
		return place{partProjector, -1}
	}
	return place{partOther, -1}
}

// partOfLayer tells what a tensor of a layer is for.
func partOfLayer(name string) part {
	switch {
	case strings.HasPrefix(name, "ffn_") && strings.Contains(name, "_exps"):
		return partExperts
	case hasAnyPrefix(name, "ffn_", "layer_output_norm", "post_ffw_", "exp_probs_b"):
		return partFeedForward
	case hasAnyPrefix(name, "attn_", "post_attention_", "cross_attn_"):
		return partAttention
	case hasAnyPrefix(name, "ssm_", "time_mix_", "channel_mix_", "shortconv"):
		return partRecurrent
	}
	return partOtherOfLayer
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
