package gguf

const elementBytes = 4 // intermediate results are single-precision numbers

// computeSize is what a GPU needs for intermediate results.
type computeSize struct {
	layersBytes uint64 // for any layers
	outputBytes uint64 // where the output is: the larger of this one and layersBytes is needed
}

// compute works out the buffers for intermediate results from what an engine has to have
// at the same time at the least: what a batch's way through a layer needs, in attention to
// the whole context or in the feed-forward part, or its likelihoods of all tokens.
func (h *Header) compute(a attention, o Options) computeSize {
	embedding, batch := h.uint("embedding_length"), o.BatchTokens
	cells := product(o.ContextTokens, o.Parallel)
	batch = min(batch, cells)
	layer := max(a.compute(embedding, batch, cells, o.WithoutFlashAttention), h.feedForward(batch))
	return computeSize{
		layersBytes: sum(layer, a.masks(batch, o)),
		outputBytes: product(elementBytes, batch, sum(embedding, h.vocabularySize())),
	}
}

// feedForward works out what the feed-forward part of a layer needs for a batch: what comes
// in and goes on, as it is and evened out, and three of the width of that part.
func (h *Header) feedForward(batch uint64) uint64 {
	embedding, width := h.uint("embedding_length"), h.largest("feed_forward_length")
	elements := sum(product(4, embedding), product(3, width))
	if expert, used := h.uint("expert_feed_forward_length"), h.uint("expert_used_count"); expert > 0 {
		// What each expert says is kept until all have.
		elements = max(elements, sum(product(4, embedding), product(used, sum(product(3, expert), embedding))))
	}
	return product(elementBytes, batch, elements)
}

// compute works out what attention of a batch to so many cells needs.
func (a attention) compute(embedding, batch, cells uint64, withoutFlash bool) uint64 {
	// What comes in, as it is and evened out, what is asked for, and what is found.
	width := sum(product(2, embedding), product(a.heads, sum(a.keyLength, a.valueLength)))
	if a.latent {
		width = sum(width, product(a.heads, a.keyLength)) // what is asked for is compressed first
	}
	if withoutFlash {
		width = sum(width, product(cells, a.heads)) // each head's attention to each token is put down
	}
	return product(elementBytes, batch, width)
}

// masks works out what all layers need to know of which token may look at which.
func (a attention) masks(batch uint64, o Options) uint64 {
	const halfBytes = 2
	switch {
	case a.heads == 0:
		return 0
	case o.WithoutFlashAttention:
		return product(elementBytes, batch, o.ContextTokens, o.Parallel)
	}
	// llama.cpp has them for one request after the other, and makes them half as long for
	// flash attention. Ollama's own engine has them for all requests, short from the start.
	return max(product(elementBytes+halfBytes, batch, o.ContextTokens), product(halfBytes, batch, o.ContextTokens, o.Parallel))
}

// projection works out what the parts for pictures need for intermediate results. It is
// zero for a file that has none.
func (h *Header) projection() uint64 {
	at := h.key("vision.")
	if h.Architecture() == "clip" {
		at = "clip.vision."
	}
	number := func(name string) uint64 {
		n, _ := h.Metadata.Uint(at + name)
		return n
	}
	size, patch := number("image_size"), number("patch_size")
	if size == 0 || patch == 0 {
		return 0
	}
	const channels = 3
	patches := product(size/patch, size/patch)
	return product(elementBytes, sum(
		product(size, size, channels),
		product(number("embedding_length"), patches),
		product(patches, patches, max(1, number("attention.head_count"))),
	))
}
