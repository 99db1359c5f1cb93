package gguf_test

import (
	"io"
	"testing"

	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// withVocabulary is a model with so many tokens, and as many merges, types and scores.
func withVocabulary(tokens int) (file io.ReaderAt, size int64, header int) {
	f := gguftest.Llama33of70B().
		Set("tokenizer.ggml.tokens", manyTokens(tokens)).
		Set("tokenizer.ggml.merges", manyTokens(tokens)).
		Set("tokenizer.ggml.token_type", make([]int32, tokens)).
		Set("tokenizer.ggml.scores", make([]float32, tokens))
	return f.ReaderAt(), f.SizeBytes(), len(f.Header())
}

func BenchmarkReadVocabularyOf150k(b *testing.B) {
	file, size, header := withVocabulary(150_000)
	b.SetBytes(int64(header))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gguf.Read(file, size); err != nil {
			b.Fatal(err)
		}
	}
}

// What a header costs in allocations depends on its keys and tensors, and not on its
// vocabulary.
func TestVocabularyCostsNoAllocations(t *testing.T) {
	file, size, _ := withVocabulary(20_000)
	plain := gguftest.Llama33of70B()
	plainFile, plainSize := plain.ReaderAt(), plain.SizeBytes()
	allocations := func(file io.ReaderAt, size int64) float64 {
		return testing.AllocsPerRun(3, func() {
			if _, err := gguf.Read(file, size); err != nil {
				t.Fatal(err)
			}
		})
	}
	with, without := allocations(file, size), allocations(plainFile, plainSize)
	if with > without+40 {
		t.Errorf("%.0f allocations with a vocabulary, %.0f without", with, without)
	}
}
