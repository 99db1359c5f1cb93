package gguf_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

func TestCheckPassesModels(t *testing.T) {
	for name, f := range gguftest.Models() {
		if err := gguf.Check(f.Read()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i, h := range split(3) {
		if err := gguf.Check(h); err != nil {
			t.Errorf("file %d of a split model: %v", i, err)
		}
	}
	for _, other := range []*gguftest.File{gguftest.New("clip"), gguftest.New("llama").Set("general.type", "adapter")} {
		if err := gguf.Check(other.Read()); err != nil {
			t.Errorf("what isn't a model: %v", err)
		}
	}
	for _, architecture := range []tinymodel.Architecture{tinymodel.Llama, tinymodel.Qwen2, tinymodel.Qwen3} {
		var file bytes.Buffer
		if err := tinymodel.Write(&file, tinymodel.Options{Architecture: architecture}); err != nil {
			t.Fatal(err)
		}
		h, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if err := gguf.Check(h); err != nil {
			t.Errorf("a demonstration model of %s: %v", architecture, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	f := func(name string, file *gguftest.File, says string) {
		t.Helper()
		err := gguf.Check(file.Read())
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), says) {
			t.Errorf("%s: %v, want %v with %q", name, err, fault.Invalid, says)
		}
	}
	model := gguftest.Qwen25of7B
	f("no architecture", model().Without("general.architecture"), "architecture")
	f("an architecture that is a number", model().Set("general.architecture", uint32(1)), "architecture")
	f("no layers", model().Without("qwen2.block_count"), "0 layers")
	f("no embedding length", model().Without("qwen2.embedding_length"), "embedding_length")
	f("no heads", model().Set("qwen2.attention.head_count", uint32(0)), "head_count")
	f("heads for some layers", model().Set("qwen2.attention.head_count", []uint32{1, 2, 3}), "3 values for 28 layers")
	f("no weights", model().WithoutTensors().Set("general.type", "model").Without("tokenizer.ggml.model"), "no weights")
	f("tokens that are numbers", model().Set("tokenizer.ggml.tokens", []uint32{1, 2}), `"tokenizer.ggml.tokens" of the file isn't an array of string`)
	f("tokens that aren't an array", model().Set("tokenizer.ggml.tokens", "a"), "isn't an array")
	f("merges that are numbers", model().Set("tokenizer.ggml.merges", []uint32{1, 2}), "isn't an array")
	f("fewer scores than tokens", model().Set("tokenizer.ggml.scores", []float32{1, 2}), "3 tokens, and 2 values")
	f("fewer types than tokens", model().Set("tokenizer.ggml.token_type", []int32{1}), "3 tokens, and 1 values")
	f("scores of another type", model().Set("tokenizer.ggml.scores", []float64{1, 2, 3}), "isn't an array of float32")
}
