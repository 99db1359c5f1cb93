package gguf

import (
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// attention is the geometry of keys and values.
type attention struct {
	heads                              uint64   // of the layer that has most
	kvHeads                            []uint64 // of each layer
	keyLength, valueLength             uint64   // of a head
	windowKeyLength, windowValueLength uint64   // the same in layers with a window
	latent                             bool     // keys and values of all heads are kept as one, compressed
}

// elements returns how many elements a layer with so many heads keeps of each token.
func (a attention) elements(heads uint64, window bool) (keys, values uint64) {
	if a.latent {
		heads = min(heads, 1)
	}
	if window {
		return product(heads, a.windowKeyLength), product(heads, a.windowValueLength)
	}
	return product(heads, a.keyLength), product(heads, a.valueLength)
}

func (h *Header) attention(layers uint64) (attention, error) {
	heads, err := h.perLayer("attention.head_count", layers)
	if err != nil {
		return attention{}, err
	}
	kvHeads := heads
	if h.Metadata.Has(h.key("attention.head_count_kv")) {
		if kvHeads, err = h.perLayer("attention.head_count_kv", layers); err != nil {
			return attention{}, err
		}
	}
	a := attention{heads: slices.Max(heads), kvHeads: kvHeads}
	if a.heads > 0 {
		a.keyLength = h.uint("embedding_length") / a.heads
		a.valueLength = a.keyLength
	}
	or := func(name string, otherwise uint64) uint64 {
		if n := h.uint(name); n > 0 {
			return n
		}
		return otherwise
	}
	a.keyLength = or("attention.key_length", a.keyLength)
	a.valueLength = or("attention.value_length", a.valueLength)
	a.windowKeyLength = or("attention.key_length_swa", a.keyLength)
	a.windowValueLength = or("attention.value_length_swa", a.valueLength)
	if rank := h.uint("attention.kv_lora_rank"); rank > 0 && h.uint("attention.key_length_mla") > 0 && h.uint("attention.value_length_mla") > 0 {
		// Files without the last two have attention of another form, which unpacks
		// keys and values before it keeps them.
		a.latent = true
		a.keyLength, a.valueLength = sum(rank, h.uint("rope.dimension_count")), rank
		a.windowKeyLength, a.windowValueLength = a.keyLength, a.valueLength
	}
	return a, nil
}

// perLayer returns a count for each layer, of a key that has one for all or one for each.
// Without the key they are zero.
func (h *Header) perLayer(name string, layers uint64) ([]uint64, error) {
	key := h.key(name)
	values, has := h.Metadata.Uints(key)
	switch {
	case !h.Metadata.Has(key):
		return make([]uint64, layers), nil
	case !has:
		return nil, fault.New(fault.Invalid, "the key %q of the file isn't a number for each layer", key)
	case len(values) == 1:
		return slices.Repeat(values, int(layers)), nil
	case uint64(len(values)) < layers:
		return nil, fault.New(fault.Invalid, "the key %q of the file has %d values for %d layers", key, len(values), layers)
	}
	return values[:layers], nil
}
