package loader

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

func model(quantization string) Info {
	return Info{Kind: KindModel, Format: "plain", Quantization: quantization, Layers: []Layer{{Role: RoleModel, SizeBytes: 1, Parts: []Part{{File: "a", LengthBytes: 1}}}}}
}

func TestWhatAVersionDoesNotDoAnyMoreIsRefused(t *testing.T) {
	adapter := model("F16")
	adapter.Kind, adapter.Layers = KindAdapter, []Layer{{Role: RoleAdapter}}
	for name, c := range map[string]struct {
		r Request
		d Defaults
	}{
		"adapters":   {Request{Info: adapter, Options: Options{From: "base"}}, Defaults{}},
		"converting": {Request{Info: model("BF16")}, Defaults{Convert: true}},
		"quantising": {Request{Info: model("F16"), Options: Options{Quantize: "q8_0"}}, Defaults{}},
	} {
		for version, ok := range map[string]bool{"": true, "0.17.4": true, "0.33.1": true, "0.34.0": false, "0.34.2": false, "1.0.0": false, "newest": true} {
			c.r.Ollama = version
			_, err := Compose(c.r, c.d)
			if ok != (err == nil) || err != nil && fault.KindOf(err) != fault.NotImplemented {
				t.Errorf("%s by %q: %v", name, version, err)
			}
		}
	}
	if _, err := Compose(Request{Info: model("Q4_K_M"), Ollama: "0.34.2"}, Defaults{}); err != nil {
		t.Errorf("a model as it is: %v", err)
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"0.9.0", "0.17.4", true},
		{"0.17.4", "0.17.4", false},
		{"0.17.5", "0.17.4", false},
		{"v0.17.4", "1.0.0", true},
		{"0.17.4-rc1", "0.17.5", true},
		{"", "0.17.4", false},
		{"0.17.4", "", false},
		{"0.17", "0.18.0", false},
		{"0.x.1", "0.18.0", false},
		{"0.-1.1", "0.18.0", false},
	} {
		if got := Before(c.a, c.b); got != c.want {
			t.Errorf("%q before %q: %v", c.a, c.b, got)
		}
	}
}

func TestSixteenBitsOfOtherFormatsAreQuantised(t *testing.T) {
	for _, c := range []struct {
		quantization string
		convert, ok  bool
	}{{"F16", false, true}, {"F32", false, true}, {"BF16", false, false}, {"BF16", true, true}, {"Q8_0", false, false}, {"", true, false}} {
		r, err := Compose(Request{Info: model(c.quantization), Options: Options{Quantize: "q4_K_S"}}, Defaults{Convert: c.convert})
		if c.ok != (err == nil) || c.ok && r.Quantize != "q4_K_S" {
			t.Errorf("%+v: %q, %v", c, r.Quantize, err)
		}
	}
}

func TestTheConfigurationIsWhatOllamaWrites(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 11_000: "11K", 1_000_000: "1M", 1_540_000: "1.54M", 7_000_000_000: "7B", 7_240_000_000: "7.2B", 671_026_419_200: "671.0B"} {
		info := model("Q4_K_M")
		info.Architecture, info.Parameters = "llama", n
		r, err := Compose(Request{Info: info}, Defaults{})
		var c config
		if err != nil || json.Unmarshal(r.Config, &c) != nil || c.Parameters != want || c.Family != "llama" || c.Quantization != "Q4_K_M" {
			t.Errorf("%d: %s, %v", n, r.Config, err)
		}
	}
}

func TestRecipesAreChecked(t *testing.T) {
	files := []File{{Path: "a", SizeBytes: 10}}
	part := func(p Part) Layer { return Layer{Role: RoleModel, SizeBytes: p.LengthBytes, Parts: []Part{p}} }
	for name, c := range map[string]struct {
		recipe Recipe
		want   string // "" is that it is one
	}{
		"sound":                        {Recipe{Layers: []Layer{part(Part{File: "a", OffsetBytes: 2, LengthBytes: 8}), Text(RoleTemplate, "t")}}, ""},
		"a base alone":                 {Recipe{From: "base"}, ""},
		"nothing":                      {Recipe{}, "nothing"},
		"another file":                 {Recipe{Layers: []Layer{part(Part{File: "b", LengthBytes: 1})}}, "which there is not"},
		"beyond the end":               {Recipe{Layers: []Layer{part(Part{File: "a", OffsetBytes: 9, LengthBytes: 2})}}, "is not in its 10 bytes"},
		"an end that overflows":        {Recipe{Layers: []Layer{part(Part{File: "a", OffsetBytes: 5, LengthBytes: 1<<63 - 1})}}, "is not in its 10 bytes"},
		"before the beginning":         {Recipe{Layers: []Layer{part(Part{File: "a", OffsetBytes: -1, LengthBytes: 1})}}, "is not in its 10 bytes"},
		"another length":               {Recipe{Layers: []Layer{{Role: RoleModel, SizeBytes: 5, Parts: []Part{{File: "a", LengthBytes: 4}}}}}, "has parts of 4"},
		"inline of another length":     {Recipe{Layers: []Layer{part(Part{Inline: []byte("ab"), LengthBytes: 3})}}, "has 2 bytes in it"},
		"a file and inline":            {Recipe{Layers: []Layer{part(Part{File: "a", Inline: []byte("a"), LengthBytes: 1})}}, "as well"},
		"another role":                 {Recipe{Layers: []Layer{{Role: "other"}}}, "role"},
		"a name that leads out":        {Recipe{Layers: []Layer{{Role: RoleModel, Name: "../a"}}}, "stay in its folder"},
		"no sha256":                    {Recipe{Layers: []Layer{{Role: RoleModel, SHA256: "abc"}}}, "sha256"},
		"a template in a file":         {Recipe{Layers: []Layer{{Role: RoleTemplate, SizeBytes: 1, Parts: []Part{{File: "a", LengthBytes: 1}}}}}, "stand in the recipe"},
		"parameters that are no JSON":  {Recipe{Layers: []Layer{Text(RoleParameters, "[]")}}, "JSON object"},
		"messages that are no JSON":    {Recipe{Layers: []Layer{Text(RoleMessages, "{}")}}, "JSON array"},
		"a configuration that is none": {Recipe{From: "a", Config: json.RawMessage("7")}, "configuration"},
		"converting without names":     {Recipe{Convert: true, Layers: []Layer{part(Part{File: "a", LengthBytes: 1})}}, "without a name"},
		"too much inline":              {Recipe{Layers: []Layer{Text(RoleSystem, strings.Repeat("a", MaxInlineBytes+1))}}, "more than"},
	} {
		err := c.recipe.Check(files)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestWhatFilesSayIsReplacedByWhatSomebodyWants(t *testing.T) {
	info := model("F16")
	info.Renderer, info.Parser, info.Requires = "r", "p", "0.14.0"
	info.Layers = append(info.Layers, Text(RoleTemplate, "files"), Text(RoleSystem, "files"), Text(RoleLicense, "one"), Text(RoleLicense, "two"),
		Text(RoleParameters, `{"a":1,"b":1}`), Text(RoleMessages, `[{"role":"user"}]`))
	defaults := Defaults{Template: "default", Parameters: json.RawMessage(`{"stop":["x"]}`)}
	got, err := Compose(Request{Info: info}, defaults)
	if err != nil || got.Renderer != "r" || got.Parser != "p" || got.Requires != "0.14.0" {
		t.Errorf("%+v, %v", got, err)
	}
	texts := textsOf(got.Layers)
	for role, want := range map[Role]string{RoleTemplate: "files", RoleSystem: "files", RoleLicense: "one|two", RoleParameters: `{"a":1,"b":1}`, RoleMessages: `[{"role":"user"}]`} {
		if text := strings.Join(texts[role], "|"); text != want {
			t.Errorf("%s: %s, want %s", role, text, want)
		}
	}
	o := Options{Template: "mine", System: "mine", Licenses: []string{"mine"}, Parameters: json.RawMessage(`{"b":2}`), Messages: json.RawMessage(`[]`), Renderer: "mine", Requires: "v0.17.0"}
	got, err = Compose(Request{Info: info, Options: o}, defaults)
	if err != nil || got.Renderer != "mine" || got.Parser != "p" || got.Requires != "0.17.0" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Compose(Request{Info: info, Options: Options{Requires: "newer"}}, defaults); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a version that is none: %v", err)
	}
	texts = textsOf(got.Layers)
	for role, want := range map[Role]string{RoleTemplate: "mine", RoleSystem: "mine", RoleLicense: "mine", RoleParameters: `{"a":1,"b":2}`, RoleMessages: "[]"} {
		if text := strings.Join(texts[role], "|"); text != want {
			t.Errorf("%s: %s, want %s", role, text, want)
		}
	}
}

func TestWhatOllamaHasOutgrown(t *testing.T) {
	adapter, other := model("F16"), model("F16")
	adapter.Layers = append(adapter.Layers, Layer{Role: RoleAdapter})
	other.Format = "safetensors"
	plain := model("F16")
	plain.Format, adapter.Format = "gguf", "gguf"
	for _, c := range []struct {
		version  string
		info     Info
		quantize string
		want     bool
	}{
		{"0.33.1", adapter, "q8_0", false},
		{"0.34.2", adapter, "", true},
		{"0.34.2", other, "", true},
		{"0.34.2", plain, "", false},
		{"0.34.2", plain, "f16", false},
		{"0.34.2", plain, "q8_0", true},
		{"", adapter, "", false},
		{"0.34.2", Info{}, "", false},
	} {
		if got := Outgrown(c.version, &c.info, c.quantize); got != c.want {
			t.Errorf("%s, %s, %q: %t", c.version, c.info.Format, c.quantize, got)
		}
	}
}

func TestWhatOllamaQuantisesTo(t *testing.T) {
	for to, ok := range map[string]bool{"": true, "q8_0": true, "Q4_k_m": true, "f16": true, "q9_9": false, "q4_0": false} {
		if err := CheckQuantize(to); ok != (err == nil) {
			t.Errorf("%q: %v", to, err)
		}
	}
}
