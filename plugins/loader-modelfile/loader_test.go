package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/loader"
)

func model() []byte {
	return gguftest.New("llama").Set("llama.block_count", uint32(1)).Set("llama.embedding_length", uint32(64)).Set("llama.attention.head_count", uint32(4)).Set("general.file_type", uint32(1)).
		Set("tokenizer.chat_template", "<|im_start|>"+strings.Repeat("x", 9000)).
		Tensor("token_embd.weight", gguf.F16, 64, 8).Tensor("blk.0.attn_q.weight", gguf.F16, 64, 64).Bytes()
}

func adapter() []byte {
	return gguftest.New("llama").Set("general.type", "adapter").Set("adapter.type", "lora").Tensor("blk.0.attn_q.weight.lora_a", gguf.F16, 64, 8).Bytes()
}

func files(modelfile string) map[string][]byte {
	return map[string][]byte{"m/Modelfile": []byte(modelfile), "m/w/model.gguf": model(), "m/lora.gguf": adapter(), "other.gguf": []byte("<html>")}
}

func inspect(t *testing.T, modelfile string) (loader.Info, error) {
	t.Helper()
	return modelfileLoader{}.Inspect(t.Context(), loader.Bytes(files(modelfile)))
}

const whole = `# mine
FROM ./w/model.gguf
ADAPTER lora.gguf
template """{{ .System }}
{{ .Prompt }}"""
SYSTEM Be brief.
PARAMETER temperature 0.5
PARAMETER num_ctx 4096
PARAMETER stop "<|a|>"
PARAMETER stop <|b|>
PARAMETER use_mmap false
PARAMETER mirostat 1
LICENSE "one
  and a half"
LICENSE two
MESSAGE user Hello there
MESSAGE assistant """Hi
"you" """
PARSER qwen3
RENDERER qwen3-coder
REQUIRES v0.14.0
`

func TestAWholeModelfile(t *testing.T) {
	info, err := inspect(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	if info.Kind != loader.KindModel || info.Format != "modelfile" || info.Architecture != "llama" || len(info.Notes) == 0 || !strings.Contains(strings.Join(info.Notes, " "), "mirostat") {
		t.Errorf("%+v", info)
	}
	recipe, err := modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info})
	if err != nil {
		t.Fatal(err)
	}
	said := map[loader.Role][]string{}
	for _, l := range recipe.Layers {
		if l.Parts[0].File != "" {
			said[l.Role] = append(said[l.Role], l.Parts[0].File)
		} else {
			said[l.Role] = append(said[l.Role], string(l.Parts[0].Inline))
		}
	}
	want := map[loader.Role][]string{
		loader.RoleModel: {"m/w/model.gguf"}, loader.RoleAdapter: {"m/lora.gguf"}, loader.RoleTemplate: {"{{ .System }}\n{{ .Prompt }}"}, loader.RoleSystem: {"Be brief."},
		loader.RoleLicense: {"one\n  and a half", "two"}, loader.RoleParameters: {`{"num_ctx":4096,"stop":["<|a|>","<|b|>"],"temperature":0.5,"use_mmap":false}`},
		loader.RoleMessages: {`[{"content":"Hello there","role":"user"},{"content":"Hi\n\"you\" ","role":"assistant"}]`},
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	if recipe.Parser != "qwen3" || recipe.Renderer != "qwen3-coder" || recipe.Requires != "0.14.0" || recipe.From != "" {
		t.Errorf("%+v", recipe)
	}
}

func TestAModelByItsName(t *testing.T) {
	info, err := inspect(t, "FROM llama3.2:1b\nSYSTEM Be brief.\nADAPTER ./lora.gguf\n")
	if err != nil || info.Kind != loader.KindAdapter || info.BaseModel != "llama3.2:1b" {
		t.Fatalf("%+v, %v", info, err)
	}
	recipe, err := modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info})
	if err != nil || recipe.From != "llama3.2:1b" || len(recipe.Layers) != 2 || recipe.Layers[0].Role != loader.RoleAdapter {
		t.Errorf("%+v, %v", recipe, err)
	}
	// Somebody may have it under another name.
	recipe, err = modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info, Options: loader.Options{From: "mine"}})
	if err != nil || recipe.From != "mine" {
		t.Errorf("%+v, %v", recipe, err)
	}
}

func TestWithoutATemplateOfItsOwnTheModelsIsFound(t *testing.T) {
	info, err := inspect(t, "FROM ./w/model.gguf\n")
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info})
	if err != nil || len(recipe.Layers) != 3 || recipe.Layers[1].Role != loader.RoleTemplate || !strings.Contains(string(recipe.Layers[1].Parts[0].Inline), "<|im_start|>") {
		t.Errorf("%+v, %v", recipe.Layers, err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for modelfile, c := range map[string]struct {
		kind fault.Kind
		want string
	}{
		"":                            {fault.Invalid, "names no model"},
		"SYSTEM hello":                {fault.Invalid, "names no model"},
		"FROM ./a.gguf":               {fault.NotFound, "m/a.gguf"},
		"FROM a\nFROM b":              {fault.Invalid, "second one"},
		"FROM a\nFROM ./w/model.gguf": {fault.Invalid, "more than one"},
		"FROM a":                      {fault.Invalid, "pulled as it is"},
		"FROM ../../etc/passwd":       {fault.Invalid, "leads out"},
		"FROM /etc/passwd":            {fault.Invalid, "leads out"},
		"FROM ~/model":                {fault.Invalid, "leads out"},
		`FROM .\w\model.gguf`:         {fault.Invalid, "leads out"},
		"FROM ./w":                    {fault.NotImplemented, "a folder"},
		"FROM .":                      {fault.NotImplemented, "a folder"},
		"FROM a b":                    {fault.Invalid, "is no model"},
		"FROM":                        {fault.Invalid, "has no value"},
		"FROM a\nRUN x":               {fault.Invalid, `line 2 of the Modelfile: there is no instruction "RUN"`},
		"FROM a\nSYSTEM \"\"\"open":   {fault.Invalid, "never closed"},
		"FROM a\nPARAMETER heat 1":    {fault.Invalid, `no parameter "heat"`},
		"FROM a\nPARAMETER top_k x":   {fault.Invalid, "no value for top_k"},
		"FROM a\nPARAMETER top_p NaN": {fault.Invalid, "no value for top_p"},
		"FROM a\nPARAMETER top_k":     {fault.Invalid, "has no value"},
		"FROM a\nMESSAGE cat meow":    {fault.Invalid, "not of"},
		"FROM ../other.gguf":          {fault.Invalid, "not a GGUF"},
		"FROM a\xff":                  {fault.Corrupt, "no text"},
		strings.Repeat("#", 2<<20):    {fault.TooLarge, "bytes"},
	} {
		_, err := inspect(t, modelfile)
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%.40q: %v of the kind %v, want %q of %v", modelfile, err, fault.KindOf(err), c.want, c.kind)
		}
	}
}

func TestProbe(t *testing.T) {
	for modelfile, want := range map[string]loader.Guess{
		"from ./w/model.gguf": {Format: "modelfile", Confidence: loader.Certain},
		"FROM ./a.gguf":       {Format: "modelfile", Confidence: loader.Certain, Missing: []string{"m/a.gguf"}},
		"SYSTEM hello":        {Format: "modelfile", Confidence: loader.Possible},
	} {
		heads, err := loader.Heads(t.Context(), loader.Bytes(files(modelfile)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := modelfileLoader{}.Probe(t.Context(), heads)
		if got.Why = ""; err != nil || !cmp.Equal(want, got) {
			t.Errorf("%q: %+v, %v", modelfile, got, err)
		}
	}
	without := files("")
	delete(without, "m/Modelfile")
	maps.Copy(without, map[string][]byte{"mine.Modelfile": []byte("FROM a")})
	if g, err := (modelfileLoader{}).Probe(t.Context(), loader.Bytes(without).List()); err != nil || g.Confidence != loader.Likely {
		t.Errorf("by its name: %+v, %v", g, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse(text)
		if err != nil {
			return
		}
		for _, one := range all {
			if !known(one.name) || one.line < 1 {
				t.Errorf("%+v", one)
			}
		}
	})
}
