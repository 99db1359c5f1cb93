package gguf

const elementBytes = 4 // intermediate results are single-precision numbers

// computeSize is what a GPU needs for intermediate results.
type computeSize struct {
	layersBytes uint64 // for any layers
	outputBytes uint64 // where the output is: the larger of this one and layersBytes is needed
}

// compute works out the buffers for intermediate results from what an engine has to have
// at the same time, at the least: a batch's likelihoods of all tokens, or its attention to the
// whole context, or its way through the widest feed-forward part.
func (h *Header) compute(o Options) computeSize {
	embedding, batch := h.uint("embedding_length"), o.BatchTokens
	cells := product(o.ContextTokens, o.Parallel)
	batch = min(batch, cells)

	attention := product(elementBytes, batch, sum(1, product(4, embedding)))
	if o.WithoutFlashAttention {
		// Each head's attention to each token is put down.
		attention = sum(attention, product(elementBytes, batch, cells, sum(1, h.largest("attention.head_count"))))
	} else {
		// Which token may look at which, as it comes and at half precision.
		const maskBytes = 6
		attention = sum(attention, product(maskBytes, batch, cells))
	}
	width := h.largest("feed_forward_length")
	if expert := h.uint("expert_feed_forward_length"); expert > 0 {
		width = max(width, product(expert, h.uint("expert_used_count")))
	}
	feedForward := product(elementBytes, batch, sum(product(2, embedding), product(3, width)))
	return computeSize{
		layersBytes: max(attention, feedForward),
		outputBytes: product(elementBytes, batch, sum(embedding, h.vocabularySize())),
	}
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
