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

// layers returns the number of layers.
func (h *Header) layers() (uint64, error) {
	n := h.uint("block_count")
	if n == 0 || n > maxLayers {
		return 0, fault.New(fault.Invalid, "the file says that the model has %d layers: between 1 and %d can be believed", n, maxLayers)
	}
	return n, nil
}

// caches tells what each layer keeps.
func (h *Header) caches(a attention, latentValues bool) ([]layerCache, error) {
	n := uint64(len(a.kvHeads))
	layers := make([]layerCache, n)
	if !h.remembers() {
		return layers, nil
	}
	r, err := h.recurrence(a.kvHeads)
	if err != nil {
		return nil, err
	}
	windows := h.windows(n)
	for i := range less(n, h.layersWithoutCache()) {
		if r.layers[i] {
			layers[i].stateElements = r.stateElements
			if !r.beside {
				continue
			}
		}
		layers[i].windowTokens = windows[i]
		layers[i].keyElements, layers[i].valueElements = a.elements(a.kvHeads[i], windows[i] > 0)
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
	switch h.Architecture() {
	case "gemma3n":
		const own = 20 // files of this architecture don't say it
		return less(h.uint("block_count"), own)
	case "qwen3next", "qwen35", "qwen35moe", "step35", "mimo2", "glm-dsa", "deepseek32", "hy-v3":
		// Other architectures have a cache for guessing, used or not.
		return sum(shared, h.uint("nextn_predict_layers"))
	}
	return shared
}
