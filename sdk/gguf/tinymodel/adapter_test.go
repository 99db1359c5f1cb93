package tinymodel_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestAnAdapterHasTheReplyBeginLater puts a LoRA on the output of a model, as an engine does.
func TestAnAdapterHasTheReplyBeginLater(t *testing.T) {
	const piece = 5
	o := tinymodel.Options{}
	model := parse(t, write(t, o))
	var file bytes.Buffer
	if err := tinymodel.WriteAdapter(&file, o, piece); err != nil {
		t.Fatal(err)
	}
	lora := parse(t, file.Bytes())
	a, b := lora.matrix(t, "output.weight.lora_a"), lora.matrix(t, "output.weight.lora_b")
	scale := float64(lora.values["adapter.lora.alpha"].(float32)) / float64(len(a))
	output := model.matrix(t, "output.weight")
	for token, row := range output {
		for col := range row {
			for r := range a {
				row[col] += scale * b[token][r] * a[r][col]
			}
		}
	}
	pieces, err := tinymodel.Pieces(o)
	if err != nil {
		t.Fatal(err)
	}
	texts, embedding := model.values["tokenizer.ggml.tokens"].([]any), model.matrix(t, "token_embd.weight")
	token := slices.Index(texts, any("Ċ"))
	for _, want := range append(slices.Clone(pieces[piece:]), "<|im_end|>") {
		var margin float64
		token, margin = next(embedding[token], output)
		if got := strings.ReplaceAll(texts[token].(string), "Ġ", " "); got != want || margin < 20 {
			t.Fatalf("with the LoRA the model says %q by %.1f, want %q", got, margin, want)
		}
	}
	for _, piece := range []int{-1, 0, len(pieces)} {
		if err := tinymodel.WriteAdapter(io.Discard, o, piece); err == nil {
			t.Errorf("a LoRA was made that has the reply begin at %d", piece)
		}
	}
	folder, err := tinymodel.AdapterFolder(o, piece)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"adapter_config.json", "adapter_model.safetensors"}, slices.Sorted(maps.Keys(folder))); diff != "" {
		t.Error(diff)
	}
	weights := tensorsOf(t, folder["adapter_model.safetensors"])
	for suffix, want := range map[string]string{"lora_A": "lora_a", "lora_B": "lora_b"} {
		if got := weights["base_model.model.output."+suffix+".weight"]; !bytes.Equal(got, lora.raw("output.weight."+want)) {
			t.Errorf("%s is another one: %d bytes", suffix, len(got))
		}
	}
}

// TestAFolderHasTheSameWeights turns the names and rows of a folder back, as Ollama does.
func TestAFolderHasTheSameWeights(t *testing.T) {
	o := tinymodel.Options{Layers: 2, Dim: 48, Heads: 6, FeedForward: 40, Reply: "Hi there."}
	model := parse(t, write(t, o))
	folder, err := tinymodel.Folder(o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}, slices.Sorted(maps.Keys(folder))); diff != "" {
		t.Error(diff)
	}
	got := tensorsOf(t, folder["model.safetensors"])
	want := map[string]string{"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
	for layer := range o.Layers {
		for theirs, ours := range map[string]string{
			"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
			"post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
		} {
			want[fmt.Sprintf("model.layers.%d.%s.weight", layer, theirs)] = fmt.Sprintf("blk.%d.%s.weight", layer, ours)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Fatalf("tensors (-want +got):\n%s", diff)
	}
	for theirs, ours := range want {
		bytesOf := got[theirs]
		heads := map[bool]int{true: 6}[strings.Contains(ours, "attn_q.")] + map[bool]int{true: 3}[strings.Contains(ours, "attn_k.")]
		if heads > 0 {
			bytesOf = interleaved(bytesOf, heads, 2*o.Dim)
		}
		if !bytes.Equal(bytesOf, model.raw(ours)) {
			t.Errorf("%s is not %s", theirs, ours)
		}
	}
	for _, impossible := range []tinymodel.Options{{Architecture: tinymodel.Qwen3}, {Omit: []string{"general.name"}}, {Dim: -1}} {
		if _, err := tinymodel.Folder(impossible); err == nil {
			t.Errorf("a folder of %+v was made", impossible)
		}
	}
}

// interleaved returns rows of which the halves of each head were one behind the other.
func interleaved(b []byte, heads, rowBytes int) []byte {
	rows := slices.Collect(slices.Chunk(b, rowBytes))
	half := len(rows) / heads / 2
	var out []byte
	for head := range heads {
		for i := range half {
			out = append(append(out, rows[2*half*head+i]...), rows[2*half*head+half+i]...)
		}
	}
	return out
}

// tensorsOf returns the data of a safetensors file, by names.
func tensorsOf(t *testing.T, file []byte) map[string][]byte {
	t.Helper()
	header, data := file[8:8+binary.LittleEndian.Uint64(file)], file[8+binary.LittleEndian.Uint64(file):]
	var entries map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(header, &entries); err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for name, e := range entries {
		all[name] = data[e.Offsets[0]:e.Offsets[1]]
	}
	return all
}
