package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// weights is a file with a tensor of sixteen bits for each name, of 8 by 4.
func weights(names ...string) []byte {
	header := map[string]any{}
	for i, name := range names {
		header[name] = map[string]any{"dtype": "BF16", "shape": []int{8, 4}, "data_offsets": []int{64 * i, 64 * (i + 1)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(b, text...), make([]byte, 64*len(names))...)
}

const chatML = "<|im_start|> <tool_call>"

func files(change map[string]string) map[string][]byte {
	all := map[string][]byte{
		"m/config.json": []byte(`{"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","_name_or_path":"/home/me/Qwen2-tiny","hidden_size":4,"num_hidden_layers":1,` +
			`"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":8,"max_position_embeddings":4096}`),
		"m/model.safetensors":     weights("model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "lm_head.weight"),
		"m/tokenizer.json":        []byte(`{}`),
		"m/tokenizer_config.json": fmt.Appendf(nil, `{"chat_template":%q}`, chatML+strings.Repeat("x", 9000)),
		"m/README.md":             []byte("# M"),
	}
	for name, text := range change {
		all[name] = []byte(text)
		if text == "" {
			delete(all, name)
		}
	}
	return all
}

func TestAFolder(t *testing.T) {
	all := files(nil)
	info, err := folderLoader{}.Inspect(t.Context(), loader.Bytes(all))
	if err != nil {
		t.Fatal(err)
	}
	h, err := gguf.ReadCondensed(info.Geometry[loader.RoleModel])
	if err != nil || gguf.Describe(h).Layers != 1 || gguf.Describe(h).WeightsBytes != 3*64 {
		t.Errorf("the geometry is %+v, %v", h, err)
	}
	info.Geometry = nil
	layer := func(name string) loader.Layer {
		n := int64(len(all["m/"+name]))
		return loader.Layer{Role: loader.RoleModel, Name: name, SizeBytes: n, Parts: []loader.Part{{File: "m/" + name, LengthBytes: n}}}
	}
	want := loader.Info{
		Kind: loader.KindModel, Format: "safetensors", Architecture: "Qwen2ForCausalLM", Name: "Qwen2-tiny", Quantization: "BF16",
		Parameters: 3 * 32, WeightBytes: 3 * 64, ContextTokens: 4096, EmbeddingDimensions: 4, Template: chatML + strings.Repeat("x", 9000),
		Capabilities: []loader.Capability{loader.Completion, loader.Tools},
		Layers:       []loader.Layer{layer("config.json"), layer("model.safetensors"), layer("tokenizer.json"), layer("tokenizer_config.json")},
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	recipe, err := folderLoader{}.Plan(t.Context(), loader.Request{Info: info, Options: loader.Options{Quantize: "q4_K_M"}, Ollama: "0.17.4"})
	if err != nil || !recipe.Convert || recipe.Quantize != "q4_K_M" || len(recipe.Layers) != 5 || recipe.Layers[4].Role != loader.RoleTemplate {
		t.Errorf("%+v, %v", recipe, err)
	}
}

func TestWhatAnOllamaDoesNotConvertIsRefused(t *testing.T) {
	for version, ok := range map[string]bool{"": true, "0.17.4": false, "0.12.6": false, "0.18.0": true, "0.33.2": true, "0.34.2": false, "0.17.4-rc1": false, "newest": true} {
		info, err := folderLoader{}.Inspect(t.Context(), loader.Bytes(files(map[string]string{"m/config.json": `{"architectures":["Qwen9ForCausalLM"]}`})))
		if err != nil || info.Geometry != nil {
			t.Fatal(err, info.Geometry)
		}
		_, err = folderLoader{}.Plan(t.Context(), loader.Request{Info: info, Ollama: version})
		if ok != (err == nil) || err != nil && fault.KindOf(err) != fault.NotImplemented {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]string
		kind   fault.Kind
		want   string
	}{
		"no tokenizer":            {map[string]string{"m/tokenizer.json": ""}, fault.NotFound, "m/tokenizer.json"},
		"no weights":              {map[string]string{"m/model.safetensors": ""}, fault.Invalid, "none of the files"},
		"two models":              {map[string]string{"n/model.safetensors": string(weights("a"))}, fault.Invalid, "2 folders"},
		"quantised already":       {map[string]string{"m/config.json": `{"architectures":["LlamaForCausalLM"],"quantization_config":{"quant_method":"gptq"}}`}, fault.NotImplemented, `"gptq"`},
		"dimensions below 0":      {map[string]string{"m/config.json": `{"architectures":["LlamaForCausalLM"],"hidden_size":-1}`}, fault.Corrupt, "dimensions"},
		"a template that is none": {map[string]string{"m/tokenizer_config.json": `{"chat_template":7}`}, fault.Corrupt, "template"},
		"a tensor twice":          {map[string]string{"m/other.safetensors": string(weights("lm_head.weight"))}, fault.Corrupt, "lm_head.weight"},
		"another index":           {map[string]string{"m/model.safetensors.index.json": `{"weight_map":{"lm_head.weight":"elsewhere"}}`}, fault.Corrupt, "elsewhere"},
	} {
		_, err := folderLoader{}.Inspect(t.Context(), loader.Bytes(files(c.change)))
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%s: %v of the kind %v, want %q of %v", name, err, fault.KindOf(err), c.want, c.kind)
		}
	}
}

func TestTheSameWeightsAreTakenOnce(t *testing.T) {
	all := files(map[string]string{"m/consolidated.safetensors": string(weights("a"))})
	info, err := folderLoader{}.Inspect(t.Context(), loader.Bytes(all))
	if err != nil || len(info.Layers) != 4 {
		t.Errorf("%+v, %v", info.Layers, err)
	}
	// Where they have no other name they are the model.
	delete(all, "m/model.safetensors")
	info, err = folderLoader{}.Inspect(t.Context(), loader.Bytes(all))
	if err != nil || len(info.Layers) != 4 || info.Parameters != 32 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestOneOfSeveralTemplates(t *testing.T) {
	for text, want := range map[string]string{
		`{"chat_template":[{"name":"tool_use","template":"a"},{"name":"default","template":"b"}]}`: "b",
		`{"chat_template":[{"name":"tool_use","template":"a"}]}`:                                   "",
		`{}`: "",
	} {
		info, err := folderLoader{}.Inspect(t.Context(), loader.Bytes(files(map[string]string{"m/tokenizer_config.json": text})))
		if err != nil || info.Template != want {
			t.Errorf("%s: %q, %v", text, info.Template, err)
		}
	}
}

func TestProbe(t *testing.T) {
	with := func(change map[string]string) map[string][]byte { return files(change) }
	adapter := with(map[string]string{"m/adapter_config.json": "{}"})
	beside := maps.Clone(files(nil))
	beside["m/model.gguf"] = []byte("GGUF")
	for name, c := range map[string]struct {
		files      map[string][]byte
		confidence int
		missing    []string
	}{
		"a folder":         {files(nil), loader.Certain, nil},
		"an adapter":       {adapter, loader.Impossible, nil},
		"beside a GGUF":    {beside, loader.Possible, nil},
		"no configuration": {with(map[string]string{"m/config.json": ""}), loader.Likely, []string{"m/config.json"}},
		"no safetensors":   {with(map[string]string{"m/model.safetensors": "<html>"}), loader.Possible, nil},
		"a part":           {with(map[string]string{"m/model.safetensors": "", "m/model-00002-of-00002.safetensors": string(weights("a"))}), loader.Certain, []string{"m/model-00001-of-00002.safetensors"}},
	} {
		heads, err := loader.Heads(t.Context(), loader.Bytes(c.files))
		if err != nil {
			t.Fatal(err)
		}
		g, err := folderLoader{}.Probe(t.Context(), heads)
		if err != nil || g.Confidence != c.confidence || !cmp.Equal(g.Missing, c.missing) || (g.Format == "") != (c.confidence == 0) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
}
