package tinymodel_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

func write(t *testing.T, o tinymodel.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tinymodel.Write(&b, o); err != nil {
		t.Fatalf("Write(%+v): %v", o, err)
	}
	return b.Bytes()
}

// small is as small as a model gets, for tests that write many.
func small() tinymodel.Options {
	return tinymodel.Options{Reply: "One two.", Dim: 16, Layers: 1, Heads: 2, FeedForward: 8}
}

// Blobs are addressed by their digest: a change here is a new model everywhere.
func TestBytesAreTheSameForEver(t *testing.T) {
	f := func(o tinymodel.Options, want string) {
		t.Helper()
		sum := sha256.Sum256(write(t, o))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("the digest of %+v is\n%s, want\n%s", o, got, want)
		}
	}
	f(tinymodel.Options{}, "88f218980af83f7080a39a80e43f975114b8b354204ddfed639d8380e1cbb409")
	f(tinymodel.Options{Loop: true}, "50570eef25aeb45bba4e59e3c7b665416f0a38e61e22192382eb68d98346b4d9")
	f(tinymodel.Options{Architecture: tinymodel.Qwen2, Seed: 7}, "5a4f0de84f6f88bd5c584280da7928ca483093316e17b617321e42e4b588ca2c")
	f(tinymodel.Options{Architecture: tinymodel.Qwen3, Dim: 48, Heads: 3, FeedForward: 40}, "8da54d98e3b46ed66181c2969db62a6948bfdbed6beca7b606f7550f319e558b")
}

func TestMetadata(t *testing.T) {
	p := parse(t, write(t, tinymodel.Options{Architecture: tinymodel.Qwen3, Name: "clara", ContextLength: 512}))
	texts, kinds := p.values["tokenizer.ggml.tokens"].([]any), p.values["tokenizer.ggml.token_type"].([]any)
	if len(texts) != len(kinds) || len(texts) < 256 {
		t.Errorf("%d tokens with %d kinds", len(texts), len(kinds))
	}
	want := map[string]any{
		"general.architecture":                   "qwen3",
		"general.type":                           "model",
		"general.name":                           "clara",
		"general.file_type":                      uint32(1),
		"general.quantization_version":           uint32(2),
		"qwen3.context_length":                   uint32(512),
		"qwen3.embedding_length":                 uint32(256),
		"qwen3.block_count":                      uint32(2),
		"qwen3.feed_forward_length":              uint32(512),
		"qwen3.attention.head_count":             uint32(4),
		"qwen3.attention.head_count_kv":          uint32(2),
		"qwen3.attention.key_length":             uint32(64),
		"qwen3.attention.value_length":           uint32(64),
		"qwen3.rope.dimension_count":             uint32(64),
		"qwen3.attention.layer_norm_rms_epsilon": float32(1e-5),
		"qwen3.rope.freq_base":                   float32(10000),
		"tokenizer.ggml.model":                   "gpt2",
		"tokenizer.ggml.pre":                     "qwen2",
		"tokenizer.ggml.bos_token_id":            uint32(slices.Index(texts, any("<|endoftext|>"))),
		"tokenizer.ggml.eos_token_id":            uint32(slices.Index(texts, any("<|im_end|>"))),
		"tokenizer.ggml.padding_token_id":        uint32(slices.Index(texts, any("<|endoftext|>"))),
		"tokenizer.ggml.add_bos_token":           false,
		"tokenizer.ggml.add_eos_token":           false,
	}
	got := maps.Clone(p.values)
	for _, k := range []string{"tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.chat_template"} {
		delete(got, k)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	if template := p.values["tokenizer.chat_template"].(string); !strings.HasSuffix(template, `{{ '<|im_start|>assistant\n' }}{% endif %}`) {
		t.Errorf("the chat template is %s", template)
	}
	for i, kind := range kinds {
		control := strings.HasPrefix(texts[i].(string), "<|") && len(texts[i].(string)) > 2
		if control != (kind == int32(3)) {
			t.Errorf("token %q has kind %v", texts[i], kind)
		}
	}
}

func TestEveryMergeJoinsTwoTokensIntoAThird(t *testing.T) {
	p := parse(t, write(t, tinymodel.Options{Reply: "Grüße an alle, größte Grüße!"}))
	texts := p.values["tokenizer.ggml.tokens"].([]any)
	merges := p.values["tokenizer.ggml.merges"].([]any)
	for _, m := range merges {
		left, right, ok := strings.Cut(m.(string), " ")
		if !ok || !slices.Contains(texts, any(left)) || !slices.Contains(texts, any(right)) || !slices.Contains(texts, any(left+right)) {
			t.Errorf("merge %q does not join two tokens into a third", m)
		}
	}
	if n := len(texts) - 3 - 256; n != len(merges) {
		t.Errorf("%d merges for %d joined tokens", len(merges), n)
	}
}

func TestTensorsTileTheFile(t *testing.T) {
	f := func(o tinymodel.Options, extra ...string) {
		t.Helper()
		p := parse(t, write(t, o))
		want := []string{"token_embd.weight", "output_norm.weight", "output.weight"}
		for layer := range o.Layers {
			for _, n := range append([]string{
				"attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight",
				"ffn_norm.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight",
			}, extra...) {
				want = append(want, fmt.Sprintf("blk.%d.%s", layer, n))
			}
		}
		if d := cmp.Diff(want, p.names); d != "" {
			t.Errorf("tensors (-want +got):\n%s", d)
		}
		end := uint64(0)
		for _, n := range p.names {
			tensor := p.tensors[n]
			if tensor.offset != end {
				t.Errorf("%s begins at %d, want %d", n, tensor.offset, end)
			}
			size := tensor.shape[0] * 4
			if len(tensor.shape) == 2 {
				size = tensor.shape[0] * tensor.shape[1] * 2
			}
			if single := len(tensor.shape) == 1; single != (tensor.kind == 0) {
				t.Errorf("%s with shape %v has type %d", n, tensor.shape, tensor.kind)
			}
			end += (size + 31) / 32 * 32
		}
		if end != uint64(len(p.data)) {
			t.Errorf("the tensors end at %d of %d bytes of data", end, len(p.data))
		}
	}
	o := tinymodel.Options{Layers: 3, Dim: 48, Heads: 3, FeedForward: 40, Reply: "Hi there."}
	f(o)
	o.Architecture = tinymodel.Qwen2
	f(o, "attn_q.bias", "attn_k.bias", "attn_v.bias")
	o.Architecture = tinymodel.Qwen3
	f(o, "attn_q_norm.weight", "attn_k_norm.weight")

	p := parse(t, write(t, o))
	shapes := map[string][]uint64{
		"blk.2.attn_q.weight":      {48, 48},
		"blk.2.attn_k.weight":      {48, 48}, // three heads cannot be halved
		"blk.2.ffn_up.weight":      {48, 40},
		"blk.2.ffn_down.weight":    {40, 48},
		"blk.2.attn_q_norm.weight": {16},
	}
	for n, want := range shapes {
		if d := cmp.Diff(want, p.tensors[n].shape); d != "" {
			t.Errorf("shape of %s (-want +got):\n%s", n, d)
		}
	}
}

// TestWeightsSayTheReply runs the model without its blocks, whose part in the
// outcome is nothing but noise.
func TestWeightsSayTheReply(t *testing.T) {
	f := func(o tinymodel.Options, pieces []string, end string) {
		t.Helper()
		p := parse(t, write(t, o))
		texts := p.values["tokenizer.ggml.tokens"].([]any)
		embedding, output := p.matrix(t, "token_embd.weight"), p.matrix(t, "output.weight")
		token := slices.Index(texts, any("Ċ")) // a line break, as every prompt ends with one
		for _, want := range append(slices.Clone(pieces), end) {
			var margin float64
			token, margin = next(embedding[token], output)
			if got := strings.ReplaceAll(texts[token].(string), "Ġ", " "); got != want {
				t.Fatalf("the model says %q, want %q of %q", got, want, pieces)
			}
			if margin < 20 {
				t.Errorf("%q wins by %.1f only", want, margin)
			}
		}
		got, err := tinymodel.Pieces(o)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(pieces, got); d != "" {
			t.Errorf("Pieces (-want +got):\n%s", d)
		}
	}
	f(tinymodel.Options{}, []string{
		"Hello", " from", " Corral!", " Your", " request", " found", " a",
		" free", " host", " and", " this", " tiny", " model", " answered.",
	}, "<|im_end|>")
	f(tinymodel.Options{Loop: true}, []string{" tick", " tock"}, " tick")
	f(tinymodel.Options{Reply: "a b a b c"}, []string{"a", " b", " a", " b c"}, "<|im_end|>")
	f(small(), []string{"One", " two."}, "<|im_end|>")
}

// next returns the token with the highest logit after one with this embedding,
// and by how much it leads.
func next(embedding []float64, output [][]float64) (token int, margin float64) {
	var squares float64
	for _, v := range embedding {
		squares += v * v
	}
	scale := 1 / math.Sqrt(squares/float64(len(embedding))+1e-5)
	best, second := math.Inf(-1), math.Inf(-1)
	for i, row := range output {
		var logit float64
		for j, v := range embedding {
			logit += v * scale * row[j]
		}
		if logit > best {
			token, best, second = i, logit, best
		} else {
			second = max(second, logit)
		}
	}
	return token, best - second
}

func TestNoiseIsNoise(t *testing.T) {
	p := parse(t, write(t, tinymodel.Options{}))
	var n, sum, squares float64
	for _, row := range p.matrix(t, "blk.0.ffn_up.weight") {
		for _, v := range row {
			n++
			sum += v
			squares += v * v
		}
	}
	// 0.45/√(256·2), and the mean of 131072 such numbers.
	const deviation = 0.0199
	if mean := sum / n; math.Abs(mean) > 5*deviation/math.Sqrt(n) {
		t.Errorf("the mean is %g", mean)
	}
	if got := math.Sqrt(squares / n); math.Abs(got/deviation-1) > 0.01 {
		t.Errorf("the standard deviation is %g, want %g", got, deviation)
	}
}

func TestSeedChangesOnlyNoise(t *testing.T) {
	one, two := small(), small()
	two.Seed = 1
	p, q := parse(t, write(t, one)), parse(t, write(t, two))
	if d := cmp.Diff(p.values, q.values); d != "" {
		t.Errorf("the metadata differs:\n%s", d)
	}
	for _, n := range p.names {
		noisy := n == "token_embd.weight" || len(p.tensors[n].shape) == 2 && strings.HasPrefix(n, "blk.")
		if same := bytes.Equal(p.raw(n), q.raw(n)); same == noisy {
			t.Errorf("%s is the same for both seeds: %v", n, same)
		}
	}
}

func TestOmit(t *testing.T) {
	whole := parse(t, write(t, small()))
	for _, name := range append(slices.Clone(whole.keys), whole.names...) {
		o := small()
		o.Omit = []string{name}
		p := parse(t, write(t, o))
		left := append(slices.Clone(p.keys), p.names...)
		want := slices.DeleteFunc(append(slices.Clone(whole.keys), whole.names...), func(n string) bool { return n == name })
		if d := cmp.Diff(want, left); d != "" {
			t.Errorf("without %s (-want +got):\n%s", name, d)
		}
		for _, n := range p.names {
			if !bytes.Equal(p.raw(n), whole.raw(n)) {
				t.Errorf("without %s, %s has other weights", name, n)
			}
		}
	}
}

func TestImpossibleOptions(t *testing.T) {
	f := func(o tinymodel.Options, want string) {
		t.Helper()
		var b bytes.Buffer
		err := tinymodel.Write(&b, o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Write(%+v) = %v, want one line with %q", o, err, want)
		}
		if b.Len() != 0 {
			t.Errorf("Write(%+v) wrote %d bytes before it failed", o, b.Len())
		}
	}
	f(tinymodel.Options{Architecture: "gemma3"}, `architecture "gemma3"`)
	f(tinymodel.Options{Dim: -1}, "Dim is -1")
	f(tinymodel.Options{Dim: 1 << 20}, "Dim is 1048576")
	f(tinymodel.Options{Layers: 129}, "Layers is 129")
	f(tinymodel.Options{Heads: -2}, "Heads is -2")
	f(tinymodel.Options{KVHeads: -1}, "KVHeads is -1")
	f(tinymodel.Options{FeedForward: 1 << 30}, "FeedForward is")
	f(tinymodel.Options{ContextLength: 1 << 40}, "ContextLength is")
	f(tinymodel.Options{Heads: 3}, "3 heads do not divide")
	f(tinymodel.Options{Dim: 24, Heads: 8}, "even number")
	f(tinymodel.Options{KVHeads: 3}, "3 KVHeads do not divide 4 Heads")
	f(tinymodel.Options{Dim: 8, Heads: 2, Reply: "one two three four"}, "the reply has 4 pieces: a Dim of 8 allows 3")
	f(tinymodel.Options{Reply: "ends <|im_end|> here"}, "cannot contain <|im_end|>")
	f(tinymodel.Options{Reply: "\n break"}, "the first word of a reply")
	f(tinymodel.Options{Reply: "\xff"}, "UTF-8")
	f(tinymodel.Options{Name: "\xff"}, "UTF-8")
	f(tinymodel.Options{Omit: []string{"llama.block_count", "blk.7.attn_q.weight"}}, `no "blk.7.attn_q.weight" to omit`)
	if _, err := tinymodel.Pieces(tinymodel.Options{Dim: -1}); err == nil {
		t.Error("Pieces accepts what Write refuses")
	}
}

func TestWriteReportsTheWritersError(t *testing.T) {
	full := errors.New("no space")
	size := len(write(t, tinymodel.Options{}))
	for _, room := range []int{0, 100_000, size - 1} {
		if err := tinymodel.Write(&limited{room, full}, tinymodel.Options{}); !errors.Is(err, full) {
			t.Errorf("with room for %d bytes: %v, want %v", room, err, full)
		}
	}
}

// limited takes so many bytes and then fails.
type limited struct {
	room int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.room {
		return l.room, l.err
	}
	l.room -= len(b)
	return len(b), nil
}
