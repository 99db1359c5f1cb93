package gguf

import (
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// CacheType is how keys and values of attention are kept: what OLLAMA_KV_CACHE_TYPE says.
type CacheType string

// The cache types. None is f16.
const (
	CacheF16  CacheType = "f16"
	CacheQ8_0 CacheType = "q8_0"
	CacheQ4_0 CacheType = "q4_0"
)

// elements returns how elements of the cache are stored.
func (c CacheType) elements() (TensorType, error) {
	switch c {
	case "", CacheF16:
		return F16, nil
	case CacheQ8_0:
		return Q8_0, nil
	case CacheQ4_0:
		return Q4_0, nil
	}
	return 0, fault.New(fault.Invalid, "the cache type %q isn't one of f16, q8_0, q4_0", string(c))
}

// layerCache is what one layer keeps of what it has read. A layer that keeps nothing is
// the zero value.
type layerCache struct {
	keyElements, valueElements uint64 // of each token
	windowTokens               uint64 // how far back it looks; 0 is to the start
	stateElements              uint64 // of each request whatever its length: single-precision numbers
}

// cacheSize is what is needed to work out the size of caches.
type cacheSize struct {
	contextTokens uint64 // of each request
	parallel      uint64
	batchTokens   uint64
	elements      TensorType
}

// bytes returns the size of one layer's cache.
func (s cacheSize) bytes(l layerCache) uint64 {
	const float32Bytes = 4
	cells := product(s.contextTokens, s.parallel)
	if l.windowTokens > 0 {
		const cellsTogether = 256
		window := sum(product(l.windowTokens, s.parallel), s.batchTokens)
		if rest := window % cellsTogether; rest != 0 {
			window = sum(window, cellsTogether-rest)
		}
		cells = min(cells, window)
	}
	return sum(
		s.elements.Bytes(product(cells, l.keyElements)),
		s.elements.Bytes(product(cells, l.valueElements)),
		product(l.stateElements, s.parallel, float32Bytes),
	)
}

// caches tells what each layer keeps.
func (h *Header) caches(latentValues bool) ([]layerCache, error) {
	n := h.uint("block_count")
	if n == 0 || n > maxLayers {
		return nil, fault.New(fault.Invalid, "the file says that the model has %d layers: between 1 and %d can be believed", n, maxLayers)
	}
	layers := make([]layerCache, n)
	if !h.remembers() {
		return layers, nil
	}
	a, err := h.attention(n)
	if err != nil {
		return nil, err
	}
	r, err := h.recurrence(n, a.kvHeads)
	if err != nil {
		return nil, err
	}
	windows := h.windows(n)
	withCache := less(n, h.layersWithoutCache())
	for i := range layers {
		if r.in(i) {
			layers[i].stateElements = r.stateElements
			if !r.beside {
				continue
			}
		}
		if uint64(i) >= withCache {
			continue
		}
		layers[i].windowTokens = windows[i]
		layers[i].keyElements, layers[i].valueElements = a.elements(i, windows[i] > 0)
		if a.latent && !latentValues {
			layers[i].valueElements = 0
		}
	}
	return layers, nil
}

// remembers says whether a request reads what earlier ones of its tokens left: models
// that give vectors for whole texts at once don't.
func (h *Header) remembers() bool {
	if causal, says := h.Metadata.Bool(h.key("attention.causal")); says && !causal {
		return false
	}
	return !slices.Contains([]string{
		"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert", "gemma-embedding", "t5encoder",
	}, h.Architecture())
}

// layersWithoutCache returns how many of the last layers have none of their own: they
// use that of a layer before them, or only guess ahead.
func (h *Header) layersWithoutCache() uint64 {
	shared := h.uint("attention.shared_kv_layers")
	if shared == 0 && h.Architecture() == "gemma3n" {
		const own = 20 // files of this architecture don't say it
		shared = less(h.uint("block_count"), own)
	}
	return sum(shared, h.uint("nextn_predict_layers"))
}

// attention is the geometry of keys and values.
type attention struct {
	kvHeads                            []uint64 // of each layer
	keyLength, valueLength             uint64   // of a head
	windowKeyLength, windowValueLength uint64   // the same in layers with a window
	latent                             bool     // keys and values of all heads are kept as one, compressed
}

// elements returns how many elements a layer keeps of each token.
func (a attention) elements(layer int, window bool) (keys, values uint64) {
	heads := a.kvHeads[layer]
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
	length := uint64(0)
	if most := slices.Max(heads); most > 0 {
		length = h.uint("embedding_length") / most
	}
	a := attention{kvHeads: kvHeads, keyLength: length, valueLength: length}
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
