package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

func weights() string {
	const header = `{"a.lora_A.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},"a.lora_B.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[32,64]}}`
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + strings.Repeat("\x00", 64)
}

const sound = `{"peft_type":"LORA","base_model_name_or_path":"meta-llama/Llama-3.2-1B","r":2}`

func files(all map[string]string) loader.Files {
	content := map[string][]byte{}
	for name, text := range all {
		content[name] = []byte(text)
	}
	return loader.Bytes(content)
}

func TestAnAdapter(t *testing.T) {
	of := files(map[string]string{"mine/adapter_config.json": sound, "mine/adapter_model.safetensors": weights(), "mine/README.md": "# mine"})
	info, err := adapterLoader{}.Inspect(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	layer := func(name string, size int) loader.Layer {
		return loader.Layer{Role: loader.RoleAdapter, Name: name, SizeBytes: int64(size), Parts: []loader.Part{{File: "mine/" + name, LengthBytes: int64(size)}}}
	}
	want := loader.Info{
		Kind: loader.KindAdapter, Format: "lora", Name: "mine", BaseModel: "meta-llama/Llama-3.2-1B", Quantization: "F32", Parameters: 16, WeightBytes: 64,
		Notes: info.Notes, Layers: []loader.Layer{layer("adapter_config.json", len(sound)), layer("adapter_model.safetensors", len(weights()))},
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	r := loader.Request{Info: info, Options: loader.Options{From: "llama3.2:1b"}, Ollama: "0.17.4"}
	recipe, err := adapterLoader{}.Plan(t.Context(), r)
	if diff := cmp.Diff(loader.Recipe{From: "llama3.2:1b", Convert: true, Layers: want.Layers}, recipe); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	r.Ollama = "0.34.2"
	if _, err := (adapterLoader{}).Plan(t.Context(), r); fault.KindOf(err) != fault.NotImplemented {
		t.Errorf("for one that takes no adapters: %v", err)
	}
	r.Ollama, r.Options.From = "", ""
	if _, err := (adapterLoader{}).Plan(t.Context(), r); fault.KindOf(err) != fault.Invalid {
		t.Errorf("on no model: %v", err)
	}
}

// TestWeightsByOtherNames has those of MLX, and those that Ollama's command line takes.
func TestWeightsByOtherNames(t *testing.T) {
	for _, name := range []string{"adapters.safetensors", "model.safetensors"} {
		of := files(map[string]string{"adapter_config.json": sound, name: weights(), "b/model.safetensors": weights()})
		heads, err := loader.Heads(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		if g, err := (adapterLoader{}).Probe(t.Context(), heads); err != nil || g.Confidence != loader.Certain || len(g.Missing) > 0 {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
		if info, err := (adapterLoader{}).Inspect(t.Context(), of); err != nil || len(info.Layers) != 2 || info.Layers[1].Name != name {
			t.Errorf("%s: %+v, %v", name, info.Layers, err)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	with := func(config, weights string) map[string]string {
		all := map[string]string{}
		if config != "" {
			all[configName] = config
		}
		if weights != "" {
			all[weightsName] = weights
		}
		return all
	}
	pickled := with(sound, "")
	pickled[pickleName] = "\x80\x02"
	for name, c := range map[string]struct {
		files map[string]string
		kind  fault.Kind
		want  string
	}{
		"no weights":       {with(sound, ""), fault.NotFound, weightsName},
		"no configuration": {with("", weights()), fault.NotFound, configName},
		"a pickle":         {pickled, fault.Invalid, "pickle"},
		"nothing":          {map[string]string{"a": "b"}, fault.Invalid, "none of the files"},
		"no JSON":          {with("{", weights()), fault.Corrupt, "no configuration"},
		"another type":     {with(`{"peft_type":"IA3"}`, weights()), fault.NotImplemented, `"IA3"`},
		"a DoRA":           {with(`{"peft_type":"LORA","use_dora":true}`, weights()), fault.NotImplemented, "DoRA"},
		"a rank below 0":   {with(`{"peft_type":"LORA","r":-1}`, weights()), fault.Corrupt, "rank"},
		"cut off":          {with(sound, weights()[:50]), fault.Corrupt, weightsName},
		"a long one":       {with(`{"a":"`+strings.Repeat("a", maxConfigBytes)+`"}`, weights()), fault.TooLarge, configName},
	} {
		_, err := adapterLoader{}.Inspect(t.Context(), files(c.files))
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%s: %v of the kind %v, want %q of %v", name, err, fault.KindOf(err), c.want, c.kind)
		}
	}
}
