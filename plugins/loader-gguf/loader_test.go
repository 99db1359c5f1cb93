package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
)

// chatML is a template that Ollama knows.
const chatML = `{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// model is a small one of the architecture llama.
func model() *gguftest.File {
	return gguftest.New("llama").
		Set("general.name", "Small").Set("general.license", "mit").Set("general.file_type", uint32(1)).
		Set("general.base_model.count", uint32(1)).Set("general.base_model.0.name", "Large").
		Set("llama.block_count", uint32(1)).Set("llama.context_length", uint32(2048)).Set("llama.embedding_length", uint32(64)).
		Set("llama.attention.head_count", uint32(4)).
		Set("tokenizer.chat_template", chatML).
		Tensor("token_embd.weight", gguf.F16, 64, 100).Tensor("blk.0.attn_q.weight", gguf.F16, 64, 64).Tensor("output_norm.weight", gguf.F32, 64)
}

func projector() *gguftest.File {
	return gguftest.New("clip").Set("general.type", "mmproj").Set("clip.has_vision_encoder", true).Tensor("v.patch_embd.weight", gguf.F16, 64, 10)
}

func adapter() *gguftest.File {
	return gguftest.New("llama").Set("general.type", "adapter").Set("adapter.type", "lora").Set("adapter.lora.alpha", float32(16)).
		Set("general.base_model.count", uint32(1)).Set("general.base_model.0.name", "Large").
		Tensor("blk.0.attn_q.weight.lora_a", gguf.F16, 64, 8).Tensor("blk.0.attn_q.weight.lora_b", gguf.F16, 8, 64)
}

func inspect(t *testing.T, files map[string][]byte) loader.Info {
	t.Helper()
	info, err := ggufLoader{}.Inspect(t.Context(), loader.Bytes(files))
	if err != nil {
		t.Fatal(err)
	}
	if err := info.Check(loader.Bytes(files).List()); err != nil {
		t.Fatal(err)
	}
	return info
}

func plan(t *testing.T, info loader.Info, o loader.Options) loader.Recipe {
	t.Helper()
	recipe, err := ggufLoader{}.Plan(t.Context(), loader.Request{Info: info, Options: o})
	if err != nil {
		t.Fatal(err)
	}
	return recipe
}

func whole(name string, role loader.Role, content []byte) loader.Layer {
	return loader.Layer{Role: role, Name: name, SizeBytes: int64(len(content)), Parts: []loader.Part{{File: name, LengthBytes: int64(len(content))}}}
}

func TestOneFile(t *testing.T) {
	files := map[string][]byte{"small.gguf": model().Bytes(), "README.md": []byte("# Small")}
	info := inspect(t, files)
	if h, err := gguf.ReadCondensed(info.Geometry[loader.RoleModel]); err != nil || len(h.Tensors) != 3 || len(info.Geometry) != 1 {
		t.Errorf("the geometry is %+v, %v", h, err)
	}
	info.Geometry = nil
	want := loader.Info{
		Kind: loader.KindModel, Format: "gguf", Architecture: "llama", Name: "Small", License: "mit", BaseModel: "Large",
		Parameters: 64*100 + 64*64 + 64, Quantization: "F16", WeightBytes: 2*(64*100+64*64) + 4*64, ContextTokens: 2048, EmbeddingDimensions: 64,
		Template: chatML, Capabilities: []loader.Capability{loader.Completion},
		Layers: []loader.Layer{whole("small.gguf", loader.RoleModel, files["small.gguf"])},
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	text := "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
	recipe := loader.Recipe{
		Layers: []loader.Layer{want.Layers[0], loader.Text(loader.RoleTemplate, text), loader.Text(loader.RoleParameters, `{"stop":["<|im_start|>","<|im_end|>"]}`)},
		Config: json.RawMessage(`{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"11K","file_type":"F16","architecture":"amd64","os":"linux"}`),
	}
	if diff := cmp.Diff(recipe, plan(t, info, loader.Options{}), cmp.Transformer("text", func(b []byte) string { return string(b) })); diff != "" {
		t.Error(diff)
	}
}

// known are files whose digests are.
type known struct {
	loader.Files
	sha256 string
}

func (k known) List() []loader.File {
	files := k.Files.List()
	for i := range files {
		files[i].SHA256 = k.sha256
	}
	return files
}

func TestADigestThatIsKnownIsKept(t *testing.T) {
	sum := strings.Repeat("a", 64)
	info, err := ggufLoader{}.Inspect(t.Context(), known{loader.Bytes(map[string][]byte{"a.gguf": model().Bytes()}), sum})
	if err != nil || info.Layers[0].SHA256 != sum {
		t.Errorf("%+v, %v", info.Layers, err)
	}
	// Nobody knows that of files that are put together.
	info, err = ggufLoader{}.Inspect(t.Context(), known{loader.Bytes(gguftest.Split(model().Bytes(), "a", 2)), sum})
	if err != nil || info.Layers[0].SHA256 != "" {
		t.Errorf("%+v, %v", info.Layers, err)
	}
}

// together returns the bytes of a layer.
func together(t *testing.T, l loader.Layer, files map[string][]byte) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, p := range l.Parts {
		if p.File == "" {
			all.Write(p.Inline)
		} else {
			all.Write(files[p.File][p.OffsetBytes : p.OffsetBytes+p.LengthBytes])
		}
	}
	return all.Bytes()
}

func TestAModelThatWasSplitIsPutTogetherAsItWas(t *testing.T) {
	var tiny bytes.Buffer
	if err := tinymodel.Write(&tiny, tinymodel.Options{Reply: "Fine."}); err != nil {
		t.Fatal(err)
	}
	for _, count := range []int{2, 3, 7} {
		files := gguftest.Split(tiny.Bytes(), "dir/tiny-Q4", count)
		info := inspect(t, files)
		if len(info.Layers) != 1 || info.Layers[0].Name != "tiny-Q4.gguf" {
			t.Fatalf("%d files: %+v", count, info.Layers)
		}
		inline := 0
		for _, p := range info.Layers[0].Parts {
			inline += len(p.Inline)
		}
		got := together(t, info.Layers[0], files)
		if !bytes.Equal(got, tiny.Bytes()) {
			t.Errorf("%d files: %d bytes are not the %d that there were", count, len(got), tiny.Len())
		}
		if header, err := gguf.Read(bytes.NewReader(got), int64(len(got))); err != nil || inline > int(header.TensorsEndBytes-header.KeysEndBytes)+100 {
			t.Errorf("%d files: %d bytes are in the info, %v", count, inline, err)
		}
	}
}

func TestWhatIsMissingOrOutOfPlaceIsSaid(t *testing.T) {
	parts := gguftest.Split(model().Bytes(), "m", 3)
	without := maps.Clone(parts)
	delete(without, "m-00002-of-00003.gguf")
	swapped := maps.Clone(parts)
	swapped["m-00001-of-00003.gguf"], swapped["m-00002-of-00003.gguf"] = parts["m-00002-of-00003.gguf"], parts["m-00001-of-00003.gguf"]
	foreign := maps.Clone(parts)
	foreign["m-00003-of-00003.gguf"] = gguftest.Split(model().Bytes(), "m", 2)["m-00002-of-00002.gguf"]
	twice := maps.Clone(parts)
	twice["m-00003-of-00003.gguf"] = bytes.Replace(parts["m-00002-of-00003.gguf"], []byte("split.no\x02\x00\x00\x00\x01\x00"), []byte("split.no\x02\x00\x00\x00\x02\x00"), 1)
	for name, c := range map[string]struct {
		files map[string][]byte
		kind  fault.Kind
		want  string
	}{
		"a part is missing":           {without, fault.NotFound, "m-00002-of-00003.gguf"},
		"parts are swapped":           {swapped, fault.Invalid, "is named as file 1 of 3, and says that it is file 2 of 3"},
		"a part of another model":     {foreign, fault.Invalid, "m-00003-of-00003.gguf is named as file 3 of 3"},
		"tensors are there twice":     {twice, fault.Invalid, "is in another one as well"},
		"a part by itself, renamed":   {map[string][]byte{"m.gguf": parts["m-00001-of-00003.gguf"]}, fault.Invalid, "is not named so"},
		"a whole one, named as split": {map[string][]byte{"m-00001-of-00002.gguf": model().Bytes(), "m-00002-of-00002.gguf": model().Bytes()}, fault.Invalid, "is named as file 1 of 2"},
		"no GGUF":                     {map[string][]byte{"model.bin": []byte("PK\x03\x04")}, fault.Invalid, "none of the files is a GGUF"},
		"a name alone":                {map[string][]byte{"model.gguf": []byte("PK\x03\x04 and more than twenty-four bytes")}, fault.Invalid, "model.gguf: the file is not a GGUF"},
		"two models":                  {map[string][]byte{"a.gguf": model().Bytes(), "b.gguf": model().Bytes()}, fault.Invalid, "several models, a.gguf and b.gguf"},
		"drafts alone":                {map[string][]byte{"draft-a.gguf": model().Bytes(), "draft-b.gguf": model().Bytes()}, fault.Invalid, "several models"},
		"two projectors":              {map[string][]byte{"a.gguf": model().Bytes(), "f16.gguf": projector().Bytes(), "f32.gguf": projector().Bytes()}, fault.Invalid, "several projectors"},
		"two adapters":                {map[string][]byte{"a.gguf": adapter().Bytes(), "b.gguf": adapter().Bytes()}, fault.Invalid, "several adapters"},
		"no heads":                    {map[string][]byte{"dir/a.gguf": model().Without("llama.attention.head_count").Bytes()}, fault.Invalid, "dir/a.gguf: the file doesn't say how many heads"},
		"an imatrix":                  {map[string][]byte{"a.gguf": gguftest.New("").Set("general.type", "imatrix").Bytes()}, fault.Invalid, "is no model"},
		"a vocabulary":                {map[string][]byte{"a.gguf": gguftest.New("llama").Set("general.type", "vocab").Bytes()}, fault.Invalid, "has no weights"},
	} {
		_, err := ggufLoader{}.Inspect(t.Context(), loader.Bytes(c.files))
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%s: %v of the kind %v, want %q of %v", name, err, fault.KindOf(err), c.want, c.kind)
		}
	}
}

func TestWhatGoesWithAModel(t *testing.T) {
	files := map[string][]byte{
		"model-f16.gguf": model().Bytes(), "mmproj-f16.gguf": projector().Bytes(), "lora.gguf": adapter().Bytes(),
		"model-draft.gguf": model().Bytes(), "imatrix.gguf": gguftest.New("").Set("general.type", "imatrix").Bytes(), "sha256-abc": nil,
	}
	info := inspect(t, files)
	want := []loader.Layer{
		whole("model-f16.gguf", loader.RoleModel, files["model-f16.gguf"]), whole("mmproj-f16.gguf", loader.RoleProjector, files["mmproj-f16.gguf"]),
		whole("lora.gguf", loader.RoleAdapter, files["lora.gguf"]), whole("model-draft.gguf", loader.RoleDraft, files["model-draft.gguf"]),
	}
	if diff := cmp.Diff(want, info.Layers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]loader.Capability{loader.Completion, loader.Vision}, info.Capabilities); diff != "" || info.Kind != loader.KindModel {
		t.Errorf("%s\n%s", info.Kind, diff)
	}
	if c := string(plan(t, info, loader.Options{}).Config); !strings.Contains(c, `"model_families":["llama","clip"]`) {
		t.Error(c)
	}
	// One that has no ending is known by how it begins.
	info = inspect(t, map[string][]byte{"sha256-abc": model().Bytes()})
	if info.Layers[0].Name != "sha256-abc.gguf" || info.Layers[0].Parts[0].File != "sha256-abc" {
		t.Errorf("%+v", info.Layers)
	}
}

func TestAnAdapterIsForAModel(t *testing.T) {
	files := map[string][]byte{"lora.gguf": adapter().Bytes()}
	info := inspect(t, files)
	if info.Kind != loader.KindAdapter || info.BaseModel != "Large" || len(info.Capabilities) > 0 {
		t.Errorf("%+v", info)
	}
	recipe := plan(t, info, loader.Options{From: "large:latest"})
	if diff := cmp.Diff(loader.Recipe{From: "large:latest", Layers: []loader.Layer{whole("lora.gguf", loader.RoleAdapter, files["lora.gguf"])}}, recipe); diff != "" {
		t.Error(diff)
	}
	if _, err := (ggufLoader{}).Plan(t.Context(), loader.Request{Info: info}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without a model: %v", err)
	}
	info = inspect(t, map[string][]byte{"mmproj.gguf": projector().Bytes()})
	if _, err := (ggufLoader{}).Plan(t.Context(), loader.Request{Info: info, Options: loader.Options{From: "a"}}); info.Kind != loader.KindProjector || fault.KindOf(err) != fault.NotImplemented {
		t.Errorf("a projector alone is %s, %v", info.Kind, err)
	}
}

func TestWhatAModelCanDo(t *testing.T) {
	for name, c := range map[string]struct {
		file  *gguftest.File
		can   []loader.Capability
		notes string
	}{
		"embedding":       {model().Set("llama.pooling_type", uint32(1)), []loader.Capability{loader.Embedding}, ""},
		"tools":           {model().Set("tokenizer.chat_template", "<|im_start|> <tool_call>"+strings.Repeat("x", 9000)), []loader.Capability{loader.Completion, loader.Tools}, "looks like chatml-tools"},
		"thinking":        {model().Set("tokenizer.chat_template", "<|im_start|> <think>"+strings.Repeat("x", 9000)), []loader.Capability{loader.Completion, loader.Tools, loader.Thinking}, "looks like chatml-thinking"},
		"unknown":         {model().Set("tokenizer.chat_template", strings.Repeat("x", 9000)), []loader.Capability{loader.Completion}, "none that is known here"},
		"no template":     {model().Set("tokenizer.chat_template", ""), []loader.Capability{loader.Completion}, ""},
		"vision within":   {model().Set("llama.vision.block_count", uint32(2)), []loader.Capability{loader.Completion, loader.Vision}, ""},
		"quantised lying": {model().Set("general.file_type", uint32(15)), []loader.Capability{loader.Completion}, "says that it is quantised as Q4_K_M, and its weights are mostly F16"},
	} {
		info := inspect(t, map[string][]byte{"a.gguf": c.file.Bytes()})
		if diff := cmp.Diff(c.can, info.Capabilities); diff != "" {
			t.Errorf("%s\n%s", name, diff)
		}
		if notes := strings.Join(info.Notes, " "); !strings.Contains(notes, c.notes) || c.notes == "" && notes != "" {
			t.Errorf("%s: the notes are %q", name, notes)
		}
	}
}

func TestOptions(t *testing.T) {
	info := inspect(t, map[string][]byte{"a.gguf": model().Bytes()})
	recipe := plan(t, info, loader.Options{
		Quantize: "q4_K_M", Template: "{{ .Prompt }}{{ currentDate }}", System: "Be brief.", Licenses: []string{"one", "two"},
		Parameters: json.RawMessage(`{"temperature":0}`), Messages: json.RawMessage(`[{"role":"user","content":"a"}]`), Renderer: "r", Parser: "p",
	})
	want := loader.Recipe{
		Layers: []loader.Layer{
			info.Layers[0], loader.Text(loader.RoleTemplate, "{{ .Prompt }}{{ currentDate }}"), loader.Text(loader.RoleSystem, "Be brief."),
			loader.Text(loader.RoleLicense, "one"), loader.Text(loader.RoleLicense, "two"), loader.Text(loader.RoleParameters, `{"temperature":0}`),
			loader.Text(loader.RoleMessages, `[{"role":"user","content":"a"}]`),
		},
		Quantize: "q4_K_M", Renderer: "r", Parser: "p", Config: recipe.Config,
	}
	if diff := cmp.Diff(want, recipe); diff != "" {
		t.Error(diff)
	}
	// What somebody sets stands beside what goes with a template, or in its place.
	recipe = plan(t, info, loader.Options{Parameters: json.RawMessage(`{"temperature":1,"stop":["x"]}`)})
	if got := string(recipe.Layers[2].Parts[0].Inline); got != `{"stop":["x"],"temperature":1}` {
		t.Error(got)
	}
	if same := plan(t, info, loader.Options{Quantize: "f16"}); same.Quantize != "" {
		t.Errorf("what is quantised so is quantised again: %+v", same)
	}
	quantised := info
	quantised.Quantization = "Q8_0"
	for name, r := range map[string]loader.Request{
		"a base":             {Info: info, Options: loader.Options{From: "a"}},
		"a strange format":   {Info: loader.Info{Format: "other"}},
		"no quantisation":    {Info: info, Options: loader.Options{Quantize: "q5_K_M"}},
		"quantised already":  {Info: quantised, Options: loader.Options{Quantize: "q4_K_M"}},
		"no template":        {Info: info, Options: loader.Options{Template: "{{ if }}"}},
		"parameters as text": {Info: info, Options: loader.Options{Parameters: json.RawMessage(`"a"`)}},
		"no parameters":      {Info: info, Options: loader.Options{Parameters: json.RawMessage(`null`)}},
		"no messages":        {Info: info, Options: loader.Options{Messages: json.RawMessage(`{}`)}},
	} {
		if _, err := (ggufLoader{}).Plan(t.Context(), r); fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.NotImplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]byte
		want  loader.Guess
	}{
		"one":                 {map[string][]byte{"a.gguf": model().Bytes(), "README.md": nil}, loader.Guess{Format: "gguf", Confidence: loader.Certain}},
		"by its beginning":    {map[string][]byte{"sha256-abc": model().Bytes()}, loader.Guess{Format: "gguf", Confidence: loader.Certain}},
		"a part":              {map[string][]byte{"a-00001-of-00003.gguf": model().Bytes(), "a-00003-of-00003.gguf": model().Bytes()}, loader.Guess{Format: "gguf", Confidence: loader.Certain, Missing: []string{"a-00002-of-00003.gguf"}}},
		"beside others":       {map[string][]byte{"a.gguf": model().Bytes(), "Modelfile": []byte("FROM ./a.gguf")}, loader.Guess{Format: "gguf", Confidence: loader.Possible}},
		"by a name that lies": {map[string][]byte{"a.gguf": []byte("PK\x03\x04")}, loader.Guess{Format: "gguf", Confidence: loader.Possible}},
		"others":              {map[string][]byte{"model.safetensors": []byte("{}")}, loader.Guess{}},
	} {
		files, err := loader.Heads(t.Context(), loader.Bytes(c.files))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ggufLoader{}.Probe(t.Context(), files)
		if got.Why == "" || err != nil {
			t.Errorf("%s: it does not say why, %v", name, err)
		}
		got.Why = ""
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s\n%s", name, diff)
		}
	}
	byName, err := ggufLoader{}.Probe(t.Context(), []loader.File{{Path: "a.gguf", SizeBytes: 10}})
	if err != nil || byName.Confidence != loader.Likely {
		t.Errorf("by its name: %+v, %v", byName, err)
	}
}

// away are files whose storage is away after the first read.
type away struct{ loader.Files }

func (away) ReadAt(context.Context, string, []byte, int64) (int, error) { return 0, errAway }

var errAway = errors.New("the storage is away")

func TestAnErrorOfFilesIsReturned(t *testing.T) {
	for _, name := range []string{"a.gguf", "a"} {
		_, err := ggufLoader{}.Inspect(t.Context(), away{loader.Bytes(map[string][]byte{name: model().Bytes()})})
		if !errors.Is(err, errAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
