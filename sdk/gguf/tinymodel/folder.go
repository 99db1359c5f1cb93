package tinymodel

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Folder returns the files of the model that o describes as Hugging Face keeps one:
// weights as safetensors, its configuration, and a tokenizer. They are of the architecture
// Llama alone. What is made a GGUF of them has the weights that [Write] writes.
func Folder(o Options) (map[string][]byte, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("tinymodel: %w", err)
	}
	if o.Architecture != Llama || len(o.Omit) > 0 {
		return nil, errors.New("tinymodel: a folder is of a whole model of the architecture llama")
	}
	v, c := o.chain()
	var weights []tensor
	for _, t := range o.tensors(len(v.texts), c) {
		weights = append(weights, o.inFolder(t))
	}
	model, err := safetensors(weights)
	if err != nil {
		return nil, fmt.Errorf("tinymodel: %w", err)
	}
	files := map[string][]byte{"model.safetensors": model}
	for name, content := range map[string]any{
		"config.json": o.folderConfig(v), "tokenizer.json": v.tokenizer(),
		"tokenizer_config.json": map[string]any{
			"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": chatTemplate,
			"bos_token": endOfText, "eos_token": endOfTurn, "pad_token": endOfText, "add_bos_token": false, "add_eos_token": false,
		},
	} {
		if files[name], err = json.Marshal(content); err != nil {
			return nil, fmt.Errorf("tinymodel: %w", err)
		}
	}
	return files, nil
}

func (o Options) folderConfig(v *vocabulary) map[string]any {
	return map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama", "torch_dtype": "float16", "_name_or_path": o.Name,
		"hidden_size": o.Dim, "intermediate_size": o.FeedForward, "num_hidden_layers": o.Layers,
		"num_attention_heads": o.Heads, "num_key_value_heads": o.KVHeads, "head_dim": o.headDim(),
		"max_position_embeddings": o.ContextLength, "rms_norm_eps": 1e-5, "rope_theta": 10000,
		"vocab_size": len(v.texts), "bos_token_id": v.ids[endOfText], "eos_token_id": v.ids[endOfTurn],
	}
}

// tokenizer returns what tokenizer.json has.
func (v *vocabulary) tokenizer() map[string]any {
	type added struct {
		ID      int    `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	}
	var controlling []added
	for _, c := range controls() {
		controlling = append(controlling, added{v.ids[c], c, true})
	}
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	return map[string]any{
		"version": "1.0", "added_tokens": controlling,
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{byteLevel}}, "decoder": byteLevel,
		"model": map[string]any{"type": "BPE", "vocab": v.ids, "merges": v.merges},
	}
}

// inFolder returns a tensor as Hugging Face has it: by another name, and where positions
// are turned into, with the rows of each head in another order.
func (o Options) inFolder(t tensor) tensor {
	heads := 0
	switch {
	case strings.HasSuffix(t.name, ".attn_q.weight"):
		heads = o.Heads
	case strings.HasSuffix(t.name, ".attn_k.weight"):
		heads = o.KVHeads
	}
	if heads > 0 {
		length, fill := t.rows/heads, t.fill
		t.fill = func(row int, dst []float32) {
			head, at := row/length, row%length
			half := length / 2
			fill(head*length+2*(at%half)+at/half, dst)
		}
	}
	t.name = strings.NewReplacer(
		"token_embd.", "model.embed_tokens.", "output_norm.", "model.norm.", "blk.", "model.layers.",
		"attn_norm.", "input_layernorm.", "ffn_norm.", "post_attention_layernorm.",
		"attn_q.", "self_attn.q_proj.", "attn_k.", "self_attn.k_proj.", "attn_v.", "self_attn.v_proj.", "attn_output.", "self_attn.o_proj.",
		"ffn_gate.", "mlp.gate_proj.", "ffn_up.", "mlp.up_proj.", "ffn_down.", "mlp.down_proj.",
		"output.", "lm_head.",
	).Replace(t.name)
	return t
}

// safetensors returns a file of tensors.
func safetensors(tensors []tensor) ([]byte, error) {
	type entry struct {
		Type    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	entries := map[string]entry{}
	var data bytes.Buffer
	for _, t := range tensors {
		e := entry{Type: "F16", Shape: []int{t.rows, t.cols}}
		if t.rows == 0 {
			e.Type, e.Shape = "F32", []int{t.cols}
		}
		e.Offsets[0] = data.Len()
		if err := t.writeData(&data); err != nil {
			return nil, err
		}
		e.Offsets[1] = data.Len()
		entries[t.name] = e
	}
	header, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), data.Bytes()...), nil
}
