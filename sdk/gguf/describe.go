package gguf

import (
	"fmt"
	"strings"
)

// Kind is what a file is for.
type Kind string

// The kinds of files.
const (
	KindModel      Kind = "model"
	KindAdapter    Kind = "adapter"    // a LoRA
	KindProjector  Kind = "projector"  // brings pictures or sound to a model
	KindImatrix    Kind = "imatrix"    // what a quantiser wants to know of a model
	KindVocabulary Kind = "vocabulary" // a tokenizer without weights
)

// Info is what a header tells of a file.
type Info struct {
	Kind         Kind   `json:"kind"`
	Architecture string `json:"architecture,omitempty"`
	Name         string `json:"name,omitempty"`
	License      string `json:"license,omitempty"`
	SizeLabel    string `json:"size_label,omitempty"` // such as "8B"
	// BaseModels are those that this one was made of.
	BaseModels []BaseModel `json:"base_models,omitempty"`

	Parameters   uint64       `json:"parameters"` // counted, not as named
	Quantisation Quantisation `json:"quantisation"`
	Weights      Weights      `json:"weights"`
	WeightsBytes uint64       `json:"weights_bytes"`

	ContextTokens   uint64 `json:"context_tokens,omitempty"` // as trained
	Layers          uint64 `json:"layers,omitempty"`
	EmbeddingLength uint64 `json:"embedding_length,omitempty"`
	Heads           uint64 `json:"heads,omitempty"`    // of the layer that has most
	KVHeads         uint64 `json:"kv_heads,omitempty"` // of the layer that has most
	VocabularySize  uint64 `json:"vocabulary_size,omitempty"`
	RoPE            RoPE   `json:"rope"`
	MoE             *MoE   `json:"moe,omitempty"`

	// ChatTemplate is in Jinja; it is empty where the file has none.
	ChatTemplate string `json:"chat_template,omitempty"`
	Tokenizer    string `json:"tokenizer,omitempty"` // such as "gpt2"
	// Embedding is set for models that give vectors and not text.
	Embedding bool `json:"embedding,omitempty"`
	// Vision and Audio are set where the file has weights for pictures and sound.
	Vision bool `json:"vision,omitempty"`
	Audio  bool `json:"audio,omitempty"`

	Split   *Split   `json:"split,omitempty"`
	Adapter *Adapter `json:"adapter,omitempty"`
}

// BaseModel is what a model was made of.
type BaseModel struct {
	Name         string `json:"name,omitempty"`
	Organization string `json:"organization,omitempty"`
	URL          string `json:"url,omitempty"`
}

// RoPE is how positions are encoded.
type RoPE struct {
	FrequencyBase float64 `json:"frequency_base,omitempty"`
	// Scaling is how the context was extended, such as "yarn"; empty is not at all.
	Scaling               string  `json:"scaling,omitempty"`
	Factor                float64 `json:"factor,omitempty"`
	OriginalContextTokens uint64  `json:"original_context_tokens,omitempty"`
}

// MoE is a mixture of experts.
type MoE struct {
	Experts     uint64 `json:"experts"`
	UsedExperts uint64 `json:"used_experts"`
	// SharedExperts work on every token.
	SharedExperts uint64 `json:"shared_experts,omitempty"`
	ExpertsBytes  uint64 `json:"experts_bytes"` // of all experts' weights
}

// Split is the place of a file in a model of several files.
type Split struct {
	Number  uint64 `json:"number"` // from 0
	Count   uint64 `json:"count"`
	Tensors uint64 `json:"tensors"` // of all files together
}

// Adapter is what is told of a LoRA.
type Adapter struct {
	Type  string  `json:"type"` // such as "lora"
	Rank  uint64  `json:"rank,omitempty"`
	Alpha float64 `json:"alpha,omitempty"`
}

// Describe tells what a file is.
func Describe(h *Header) Info {
	info := Info{
		Kind:         h.kind(),
		Architecture: h.text("general.architecture"),
		Name:         h.text("general.name"),
		License:      h.text("general.license"),
		SizeLabel:    h.text("general.size_label"),
		BaseModels:   h.baseModels(),

		Parameters:   h.parameters(),
		Quantisation: h.quantisation(),
		Weights:      h.weights(),

		ContextTokens:   h.uint("context_length"),
		Layers:          h.uint("block_count"),
		EmbeddingLength: h.uint("embedding_length"),
		Heads:           h.largest("attention.head_count"),
		KVHeads:         h.largest("attention.head_count_kv"),
		VocabularySize:  h.vocabularySize(),
		RoPE:            h.rope(),
		ChatTemplate:    h.text("tokenizer.chat_template"),
		Tokenizer:       h.text("tokenizer.ggml.model"),
		Embedding:       h.Metadata.Has(h.key("pooling_type")),
		Vision:          h.brings("vision", "v."),
		Audio:           h.brings("audio", "a."),
		Split:           h.split(),
	}
	if info.KVHeads == 0 && !h.Metadata.Has(h.key("attention.head_count_kv")) {
		info.KVHeads = info.Heads
	}
	info.WeightsBytes = info.Weights.Bytes()
	info.MoE = h.moe(info.Weights)
	if info.Kind == KindAdapter {
		info.Adapter = h.adapter()
	}
	return info
}

// kind tells what the file is for.
func (h *Header) kind() Kind {
	declared := h.text("general.type")
	switch {
	case declared == "adapter" || h.Metadata.Has("adapter.type"):
		return KindAdapter
	case declared == "mmproj" || h.Architecture() == "clip":
		return KindProjector
	case declared == "imatrix" || h.Metadata.Has("imatrix.datasets"):
		return KindImatrix
	case declared == "vocab":
		return KindVocabulary
	case len(h.Tensors) == 0 && h.split() == nil && h.Metadata.Has("tokenizer.ggml.model"):
		return KindVocabulary
	}
	return KindModel
}

func (h *Header) baseModels() []BaseModel {
	n, _ := h.Metadata.Uint("general.base_model.count")
	var all []BaseModel
	for i := range min(n, 16) {
		at := fmt.Sprintf("general.base_model.%d.", i)
		b := BaseModel{Name: h.text(at + "name"), Organization: h.text(at + "organization"), URL: h.text(at + "repo_url")}
		if b != (BaseModel{}) {
			all = append(all, b)
		}
	}
	return all
}

// parameters counts the elements of all tensors.
func (h *Header) parameters() uint64 {
	n := uint64(0)
	for _, t := range h.Tensors {
		n = sum(n, t.Elements())
	}
	return n
}

// largest returns the largest of the values of a count that layers may have each.
func (h *Header) largest(name string) uint64 {
	all, _ := h.Metadata.Uints(h.key(name))
	most := uint64(0)
	for _, n := range all {
		most = max(most, n)
	}
	return most
}

// vocabularySize returns the number of tokens: of the embedding, else of the tokenizer.
func (h *Header) vocabularySize() uint64 {
	if t, has := h.Tensor("token_embd.weight"); has && len(t.Shape) == 2 {
		return t.Shape[1]
	}
	if n := h.Metadata.Len("tokenizer.ggml.tokens"); n > 0 {
		return uint64(n)
	}
	return h.uint("vocab_size")
}

func (h *Header) rope() RoPE {
	var r RoPE
	r.FrequencyBase, _ = h.Metadata.Float(h.key("rope.freq_base"))
	r.Scaling = h.text(h.key("rope.scaling.type"))
	if r.Scaling == "none" {
		r.Scaling = ""
	}
	r.Factor, _ = h.Metadata.Float(h.key("rope.scaling.factor"))
	if linear, has := h.Metadata.Float(h.key("rope.scale_linear")); has && r.Factor == 0 {
		r.Scaling, r.Factor = "linear", linear
	}
	r.OriginalContextTokens = h.uint("rope.scaling.original_context_length")
	return r
}

func (h *Header) moe(w Weights) *MoE {
	m := MoE{Experts: h.uint("expert_count"), UsedExperts: h.uint("expert_used_count"), SharedExperts: h.uint("expert_shared_count")}
	if m.Experts == 0 {
		return nil
	}
	for _, l := range w.Layers {
		m.ExpertsBytes = sum(m.ExpertsBytes, l.ExpertsBytes)
	}
	return &m
}

// brings says whether the file has weights for another kind of input.
func (h *Header) brings(name, prefix string) bool {
	if h.uint(name+".block_count") > 0 {
		return true
	}
	if has, _ := h.Metadata.Bool("clip.has_" + name + "_encoder"); has {
		return true
	}
	for _, t := range h.Tensors {
		if strings.HasPrefix(t.Name, prefix) {
			return true
		}
	}
	return false
}

func (h *Header) split() *Split {
	count, _ := h.Metadata.Uint("split.count")
	if count < 2 {
		return nil
	}
	number, _ := h.Metadata.Uint("split.no")
	tensors, _ := h.Metadata.Uint("split.tensors.count")
	return &Split{Number: number, Count: count, Tensors: tensors}
}

func (h *Header) adapter() *Adapter {
	a := Adapter{Type: h.text("adapter.type")}
	a.Alpha, _ = h.Metadata.Float("adapter.lora.alpha")
	for _, t := range h.Tensors {
		// The rank is what the two matrices have in common.
		if strings.HasSuffix(t.Name, ".lora_b") && len(t.Shape) > 0 {
			a.Rank = max(a.Rank, t.Shape[0])
		}
	}
	return &a
}
