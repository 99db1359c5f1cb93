package gguf

import "sort"

// DefaultContextTokens returns how long a context Ollama gives a model when nobody says, by
// the memory of all of the host's GPUs together. It takes less than that for a model that
// was trained on less.
func DefaultContextTokens(gpuBytes uint64) uint64 {
	// Ollama's steps are 48 and 24 GiB, less what such cards lack of it.
	const gib = 1 << 30
	switch {
	case gpuBytes >= 47*gib:
		return 262_144
	case gpuBytes >= 23*gib:
		return 32_768
	}
	return 4096
}

// LongestContextTokens returns the longest context of each request with which a model fits
// on the GPUs alone, up to what it was trained on, in steps of 256 tokens. It is 0 where the
// model doesn't fit with any. The options' ContextTokens don't matter. It fails as
// [EstimateMemory] does.
func LongestContextTokens(h *Header, o Options) (uint64, error) {
	const (
		step = 256
		most = 1 << 20 // for a file that doesn't say what it was trained on
	)
	trained := h.uint("context_length")
	if trained == 0 {
		trained = most
	}
	trained = min(trained, 1<<40)
	w := h.weights() // which take the longest to add up
	var failed error
	// What fits with a context fits with every shorter one.
	steps := sort.Search(int((trained+step-1)/step), func(i int) bool {
		o.ContextTokens = min(uint64(i+1)*step, trained)
		e, err := h.estimate(w, o)
		if err != nil {
			failed = err
		}
		return e.Verdict != Fits
	})
	if failed != nil {
		return 0, failed
	}
	return min(uint64(steps)*step, trained), nil
}
