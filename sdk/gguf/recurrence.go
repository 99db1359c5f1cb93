package gguf

import "slices"

// recurrence is what layers keep that have a state in place of what was said: it doesn't
// grow with the context.
type recurrence struct {
	layers        []bool
	stateElements uint64 // of each of them
	beside        bool   // they have attention as well
}

// recurrence tells which layers have a state, by how many heads of keys each has.
func (h *Header) recurrence(kvHeads []uint64) (recurrence, error) {
	layers := uint64(len(kvHeads))
	r := recurrence{layers: make([]bool, layers), stateElements: h.stateElements()}
	architecture := h.Architecture()
	switch {
	case r.stateElements == 0:
		return r, nil
	case slices.Contains([]string{"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"}, architecture):
		r.mark(func(int) bool { return true })
		return r, nil
	case architecture == "falcon-h1":
		r.beside = true
		r.mark(func(int) bool { return true })
		return r, nil
	}
	if every := h.attentionInterval(); every > 0 {
		r.mark(func(i int) bool { return (uint64(i)+1)%every != 0 })
		return r, nil
	}
	feedForward, err := h.perLayer("feed_forward_length", layers)
	if err != nil {
		return r, err
	}
	// In some architectures a layer is one thing alone, and may be feed-forward.
	alone := architecture == "nemotron_h" || architecture == "nemotron_h_moe"
	r.mark(func(i int) bool { return kvHeads[i] == 0 && (!alone || feedForward[i] == 0) })
	return r, nil
}

func (r recurrence) mark(state func(layer int) bool) {
	for i := range r.layers {
		r.layers[i] = state(i)
	}
}

// attentionInterval returns of how many layers one has attention, and 0 where that is
// told otherwise.
func (h *Header) attentionInterval() uint64 {
	if n := h.uint("full_attention_interval"); n > 0 {
		return n
	}
	kvHeads, _ := h.Metadata.Uints(h.key("attention.head_count_kv"))
	if len(kvHeads) > 1 {
		return 0
	}
	switch h.Architecture() {
	case "qwen3next", "qwen35", "qwen35moe":
		return 4
	}
	return 0
}

// stateElements returns the size of a layer's state for one request: of what a
// convolution and of what a recurrence remembers.
func (h *Header) stateElements() uint64 {
	embedding, kernel := h.uint("embedding_length"), less(h.uint("ssm.conv_kernel"), 1)
	if head := h.uint("wkv.head_size"); head > 0 {
		shifts := uint64(2)
		if n := h.uint("token_shift_count"); n > 0 {
			shifts = n
		}
		return sum(product(shifts, embedding), product(embedding, head))
	}
	if cache := h.uint("shortconv.l_cache"); cache > 0 {
		return product(embedding, less(cache, 1))
	}
	if head := h.uint("kda.head_dim"); head > 0 {
		heads := h.largest("attention.head_count")
		return sum(product(3, kernel, heads, head), product(heads, head, head))
	}
	inner, state := h.uint("ssm.inner_size"), h.uint("ssm.state_size")
	convolution := sum(inner, product(2, h.uint("ssm.group_count"), state))
	return sum(product(kernel, convolution), product(state, inner))
}
