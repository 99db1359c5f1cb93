package gguf_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
)

// everything has a value of each type.
func everything() *gguftest.File {
	return gguftest.New("llama").
		Set("u8", uint8(1)).Set("i8", int8(-1)).Set("u16", uint16(2)).Set("i16", int16(-2)).Set("u32", uint32(3)).Set("i32", int32(-3)).
		Set("u64", uint64(4)).Set("i64", int64(-4)).Set("f32", float32(.5)).Set("f64", float64(.25)).Set("yes", true).Set("text", "text").
		Set("llama.block_count", uint32(2)).Set("llama.embedding_length", uint32(64)).Set("llama.attention.head_count", []uint32{4, 2}).
		Set("texts", []string{"a", "b"}).Set("flags", []bool{true, false}).Set("general.alignment", uint32(4096)).
		Set("tokenizer.ggml.tokens", []string{"a", "b"}).Set("tokenizer.chat_template", "{{ messages }}").Set("split.count", uint16(1)).
		Tensor("token_embd.weight", gguf.F16, 64, 100).Tensor("blk.0.attn_q.weight", gguf.F16, 64, 64).Tensor("blk.1.attn_q.weight", gguf.F32, 3)
}

func TestACondensedHeaderIsOfTheSameModel(t *testing.T) {
	files := gguftest.Models()
	files["everything"] = everything()
	for name, f := range files {
		h := f.Read()
		small := h.Condense()
		got, err := gguf.ReadCondensed(small)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := gguf.Describe(h)
		want.ChatTemplate, want.Tokenizer = "", ""
		if diff := cmp.Diff(want, gguf.Describe(got)); diff != "" {
			t.Errorf("%s\n%s", name, diff)
		}
		for _, o := range []gguf.Options{
			{},
			{ContextTokens: 8192, Parallel: 4, CacheType: "q8_0"},
			{GPUs: []gguf.GPU{{ID: "0", FreeBytes: 8 << 30}, {ID: "1", FreeBytes: 24 << 30}}, HostFreeBytes: 64 << 30},
		} {
			a, errA := gguf.EstimateMemory(h, o)
			b, errB := gguf.EstimateMemory(got, o)
			if diff := cmp.Diff(a, b); diff != "" || fmt.Sprint(errA) != fmt.Sprint(errB) {
				t.Errorf("%s: %v and %v\n%s", name, errA, errB, diff)
			}
		}
	}
}

func TestOfAModelInSeveralFilesAllIsCondensed(t *testing.T) {
	part := func(n uint16) *gguftest.File {
		return gguftest.New("llama").Set("split.no", n).Set("split.count", uint16(2)).Set("split.tensors.count", int32(2)).
			Set("llama.block_count", uint32(2)).Tensor(fmt.Sprintf("blk.%d.attn_q.weight", n), gguf.F16, 64, 64)
	}
	joined, err := gguf.Join(part(0).Read(), part(1).Read())
	if err != nil {
		t.Fatal(err)
	}
	got, err := gguf.ReadCondensed(joined.Condense())
	if err != nil || len(got.Tensors) != 2 || gguf.Describe(got).Split != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsCondensedIsSmall(t *testing.T) {
	for name, f := range gguftest.Models() {
		if n, perTensor := len(f.Read().Condense()), len(f.Read().Condense())/len(f.Read().Tensors); n > 200<<10 || perTensor > 120 {
			t.Errorf("%s has %d bytes, %d for each tensor", name, n, perTensor)
		}
	}
}

func TestWhatWasNotCondensedIsRefused(t *testing.T) {
	sound := everything().Read().Condense()
	for name, b := range map[string][]byte{
		"nothing": nil, "a length": make([]byte, 8), "its half": sound[:len(sound)/2], "its beginning": sound[:100], "a file": everything().Bytes(),
	} {
		if _, err := gguf.ReadCondensed(b); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadCondensed(f *testing.F) {
	f.Add(everything().Read().Condense())
	f.Fuzz(func(_ *testing.T, b []byte) {
		if h, err := gguf.ReadCondensed(b); err == nil {
			h.Condense()
		}
	})
}
