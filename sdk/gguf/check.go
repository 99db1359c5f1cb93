package gguf

import (
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Check refuses a model that is well formed and lacks what an engine can't do without, or
// contradicts itself: engines have divided by a number of heads that was zero, and have
// read beyond an array that was shorter than the vocabulary. Other kinds of files pass, and
// so does a part of a split model but for what all of its files have together ([Join]). It
// fails with [fault.Invalid] and a sentence that says what is wrong.
func Check(h *Header) error {
	if h.kind() != KindModel {
		return nil
	}
	s := h.split()
	if s != nil && s.Number > 0 && !h.Metadata.Has("general.architecture") {
		return nil // all that is said of the model is in the first file
	}
	if h.Architecture() == "" {
		return fault.New(fault.Invalid, "the file doesn't say which architecture the model has")
	}
	layers, err := h.layers()
	if err != nil {
		return err
	}
	if h.uint("embedding_length") == 0 {
		return fault.New(fault.Invalid, "the file doesn't say how long the model's embeddings are: %q is missing or 0", h.key("embedding_length"))
	}
	a, err := h.attention(layers)
	if err != nil {
		return err
	}
	r, err := h.recurrence(a.kvHeads)
	if err != nil {
		return err
	}
	if a.heads == 0 && !slices.Contains(r.layers, true) {
		return fault.New(fault.Invalid, "the file doesn't say how many heads the model has: %q is missing or 0", h.key("attention.head_count"))
	}
	if len(h.Tensors) == 0 && s == nil {
		return fault.New(fault.Invalid, "the file has no weights")
	}
	return h.checkVocabulary()
}

// checkVocabulary refuses arrays that differ from what they go with.
func (h *Header) checkVocabulary() error {
	tokens, err := h.vocabularyArray("tokens", TypeString)
	if err != nil {
		return err
	}
	if _, err := h.vocabularyArray("merges", TypeString); err != nil {
		return err
	}
	for _, of := range []struct {
		name string
		kind ValueType
	}{{"scores", TypeFloat32}, {"token_type", TypeInt32}} {
		n, err := h.vocabularyArray(of.name, of.kind)
		if err != nil {
			return err
		}
		if n >= 0 && n < tokens {
			return fault.New(fault.Invalid, "the vocabulary of the file has %d tokens, and %d values of %q for them", tokens, n, of.name)
		}
	}
	return nil
}

// vocabularyArray returns the length of an array of the tokenizer's, and -1 where there is
// none.
func (h *Header) vocabularyArray(name string, of ValueType) (int, error) {
	key := "tokenizer.ggml." + name
	v, has := h.Metadata.Get(key)
	if !has {
		return -1, nil
	}
	a, is := v.(Array)
	// Unsigned numbers have been written for signed ones, and are read as these.
	alike := a.Type == of || (of == TypeInt32 && a.Type == TypeUint32)
	if !is || !alike {
		return 0, fault.New(fault.Invalid, "the key %q of the file isn't an array of %v", key, of)
	}
	return a.Len, nil
}
