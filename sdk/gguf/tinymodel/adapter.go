package tinymodel

import (
	"encoding/json"
	"fmt"
	"io"
)

// adapterRank is how many rows a LoRA's matrices have. One would do.
const adapterRank = 4

// WriteAdapter writes a LoRA for the model that o describes to w, as a GGUF. With it, the
// reply begins at a later one of its [Pieces], which is counted from 0: whoever hears the
// model knows whether the LoRA is on it.
func WriteAdapter(w io.Writer, o Options, piece int) error {
	o, pair, err := o.adapter(piece)
	if err != nil {
		return fmt.Errorf("tinymodel: %w", err)
	}
	f := newFile(nil)
	f.string("general.architecture", string(o.Architecture))
	f.string("general.type", "adapter")
	f.string("general.name", o.Name)
	f.string("adapter.type", "lora")
	f.float32("adapter.lora.alpha", adapterRank) // what it adds is scaled by alpha over rank
	for i, suffix := range []string{".lora_a", ".lora_b"} {
		t := pair[i]
		t.name = "output.weight" + suffix
		f.tensor(t)
	}
	if err := f.write(w); err != nil {
		return fmt.Errorf("tinymodel: write: %w", err)
	}
	return nil
}

// AdapterFolder returns the files of the LoRA that [WriteAdapter] writes as PEFT keeps
// one: its configuration, and weights as safetensors. The tensor that they are for has the
// name of a GGUF's: Ollama knows PEFT's names of all tensors but that one.
func AdapterFolder(o Options, piece int) (map[string][]byte, error) {
	o, pair, err := o.adapter(piece)
	if err != nil {
		return nil, fmt.Errorf("tinymodel: %w", err)
	}
	for i, suffix := range []string{"lora_A.weight", "lora_B.weight"} {
		pair[i].name = "base_model.model.output." + suffix
	}
	weights, err := safetensors(pair[:])
	if err != nil {
		return nil, fmt.Errorf("tinymodel: %w", err)
	}
	config, err := json.Marshal(map[string]any{
		"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "corral/" + o.Name, "r": adapterRank, "lora_alpha": adapterRank,
		"target_modules": []string{"output"},
	})
	if err != nil {
		return nil, fmt.Errorf("tinymodel: %w", err)
	}
	return map[string][]byte{"adapter_config.json": config, "adapter_model.safetensors": weights}, nil
}

// adapter returns the matrices of a LoRA: the first looks at the dimension that all tokens
// outside the reply share, and the second takes from the reply's first piece what it has
// by that, and gives it to another.
func (o Options) adapter(piece int) (Options, [2]tensor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return o, [2]tensor{}, err
	}
	v, c := o.chain()
	if piece < 1 || piece >= len(c.tokens) {
		return o, [2]tensor{}, fmt.Errorf("the reply has %d pieces: it can begin with one from 1 to %d", len(c.tokens), len(c.tokens)-1)
	}
	weight := c.weight(o.Dim)
	return o, [2]tensor{
		{cols: o.Dim, rows: adapterRank, fill: func(row int, dst []float32) {
			if row == 0 {
				dst[0] = 1
			}
		}},
		{cols: adapterRank, rows: len(v.texts), fill: func(token int, dst []float32) {
			switch token {
			case c.tokens[0]:
				dst[0] = -weight
			case c.tokens[piece]:
				dst[0] = weight
			}
		}},
	}, nil
}
