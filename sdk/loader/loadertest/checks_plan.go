package loadertest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// optionsFor returns the options without which nothing can be made of files: what is no
// model needs one.
func optionsFor(info loader.Info) loader.Options {
	if info.Kind == loader.KindModel {
		return loader.Options{}
	}
	return loader.Options{From: "base:latest"}
}

// planned returns the recipes of all good samples of the loader's own that are models or
// adapters.
func (t *trial) planned(do func(s Sample, info loader.Info, recipe loader.Recipe)) {
	for _, s := range t.own(false) {
		info := t.inspect(s)
		recipe, err := t.Plan(t.ctx, loader.Request{Info: info, Options: optionsFor(info)})
		if err != nil {
			if info.Kind == loader.KindModel {
				t.errorf("%s: %v", s.Name, err)
			} else {
				t.wantRefused(s.Name, err)
			}
			continue
		}
		do(s, info, recipe)
	}
}

// models returns what is said of good samples that are models.
func (t *trial) models() []loader.Info {
	var all []loader.Info
	for _, s := range t.own(false) {
		if info := t.inspect(s); info.Kind == loader.KindModel {
			all = append(all, info)
		}
	}
	return all
}

// refuses checks that nothing is planned.
func (t *trial) refuses(what string, r loader.Request) {
	_, err := t.Plan(t.ctx, r)
	t.wantRefused(what, err)
}

// has reports whether a recipe has a layer with a text.
func has(recipe loader.Recipe, role loader.Role, text string) bool {
	return slices.ContainsFunc(recipe.Layers, func(l loader.Layer) bool {
		return l.Role == role && len(l.Parts) == 1 && bytes.Contains(l.Parts[0].Inline, []byte(text))
	})
}

var planChecks = []Check{
	{ID: "LD-PLAN-001", Sentence: "Of a good model a recipe is made that can be carried out with its files.", try: func(t *trial) {
		t.planned(func(s Sample, _ loader.Info, recipe loader.Recipe) {
			if err := recipe.Check(s.Files.List()); err != nil {
				t.errorf("%s: %v", s.Name, err)
			}
		})
	}},
	{ID: "LD-PLAN-002", Sentence: "Plan returns the same for the same request, and leaves that as it is.", try: func(t *trial) {
		t.planned(func(s Sample, info loader.Info, recipe loader.Recipe) {
			before := clone(t, info)
			again, err := t.Plan(t.ctx, loader.Request{Info: info, Options: optionsFor(info)})
			if diff := difference(recipe, again); err != nil || diff != "" {
				t.errorf("%s: a second time it is another, %v\n%s", s.Name, err, diff)
			}
			if diff := difference(before, clone(t, info)); diff != "" {
				t.errorf("%s: what it was planned of is another\n%s", s.Name, diff)
			}
		})
	}},
	{ID: "LD-PLAN-003", Sentence: "A recipe does not differ by the version of Ollama.", try: func(t *trial) {
		t.planned(func(s Sample, info loader.Info, recipe loader.Recipe) {
			for _, version := range []string{"0.17.4", "0.34.2", "99.0.0"} {
				other, err := t.Plan(t.ctx, loader.Request{Info: info, Options: optionsFor(info), Ollama: version})
				if err != nil {
					t.wantRefused(s.Name, err)
				} else if diff := difference(recipe, other); diff != "" {
					t.errorf("%s: for %s it is another\n%s", s.Name, version, diff)
				}
			}
		})
	}},
	{ID: "LD-PLAN-004", Sentence: "What was kept as JSON is planned as it was before.", try: func(t *trial) {
		t.planned(func(s Sample, info loader.Info, recipe loader.Recipe) {
			other, err := t.Plan(t.ctx, loader.Request{Info: clone(t, info), Options: optionsFor(info)})
			if diff := difference(recipe, other); err != nil || diff != "" {
				t.errorf("%s: %v\n%s", s.Name, err, diff)
			}
		})
	}},
	{ID: "LD-PLAN-005", Sentence: "A template, a system prompt, licences, parameters and messages that somebody wants are in the recipe.", try: func(t *trial) {
		for _, info := range t.models() {
			o := loader.Options{
				Template: "{{ .Prompt }} as a check has it", System: "Be a check.", Licenses: []string{"a licence of a check"},
				Parameters: json.RawMessage(`{"num_ctx": 1234}`), Messages: json.RawMessage(`[{"role":"user","content":"a check"}]`),
			}
			recipe, err := t.Plan(t.ctx, loader.Request{Info: info, Options: o})
			if err != nil {
				t.errorf("%s: %v", info.Name, err)
				continue
			}
			for role, text := range map[loader.Role]string{
				loader.RoleTemplate: o.Template, loader.RoleSystem: o.System, loader.RoleLicense: o.Licenses[0],
				loader.RoleParameters: "1234", loader.RoleMessages: "a check",
			} {
				if !has(recipe, role, text) {
					t.errorf("%s: its %s is not in the recipe", info.Name, role)
				}
			}
		}
	}},
	{ID: "LD-PLAN-006", Sentence: "A renderer and a parser that somebody wants are in the recipe.", try: func(t *trial) {
		for _, info := range t.models() {
			recipe, err := t.Plan(t.ctx, loader.Request{Info: info, Options: loader.Options{Renderer: "r", Parser: "p"}})
			if err != nil || recipe.Renderer != "r" || recipe.Parser != "p" {
				t.errorf("%s: %q and %q, %v", info.Name, recipe.Renderer, recipe.Parser, err)
			}
		}
	}},
	{ID: "LD-PLAN-007", Sentence: "What is no option is refused with a sentence.", try: func(t *trial) {
		for _, info := range t.models() {
			t.refuses("a quantisation that there is not", loader.Request{Info: info, Options: loader.Options{Quantize: "q17_Z"}})
			t.refuses("parameters that are no object", loader.Request{Info: info, Options: loader.Options{Parameters: json.RawMessage(`[1]`)}})
			t.refuses("messages that are no array", loader.Request{Info: info, Options: loader.Options{Messages: json.RawMessage(`{"a":1}`)}})
		}
	}},
	{ID: "LD-PLAN-008", Sentence: "What is of another format, or says nothing, is refused with a sentence.", try: func(t *trial) {
		t.refuses("no info", loader.Request{})
		t.refuses("another format", loader.Request{Info: loader.Info{Kind: loader.KindModel, Format: "of-a-check", Layers: []loader.Layer{{Role: loader.RoleModel}}}})
	}},
	{ID: "LD-PLAN-009", Sentence: "No info makes it panic or plan what can't be.", try: func(t *trial) {
		format := t.inspect(t.own(false)[0]).Format
		long := strings.Repeat("{{", 1<<17)
		for _, info := range []loader.Info{
			{Kind: loader.KindModel, Format: format},
			{Kind: loader.KindAdapter, Format: format},
			{Kind: loader.KindProjector, Format: format},
			{Kind: "of-a-check", Format: format, Layers: []loader.Layer{{}}},
			{Kind: loader.KindModel, Format: format, Template: long, License: long, Parameters: -1, ContextTokens: -1, Layers: []loader.Layer{{Role: loader.RoleModel, SizeBytes: -1}}},
		} {
			recipe, err := t.Plan(t.ctx, loader.Request{Info: info, Options: optionsFor(info)})
			if err == nil && info.Check(nil) == nil {
				err = recipe.Check(nil)
			}
			switch fault.KindOf(err) {
			case fault.None, fault.Corrupt, fault.Invalid, fault.NotFound, fault.TooLarge, fault.NotImplemented, fault.Conflict:
			default:
				t.errorf("an info of kind %q with %d layers: %v", info.Kind, len(info.Layers), err)
			}
		}
	}},
}

// clone returns an info as it is when it was kept.
func clone(t *trial, info loader.Info) loader.Info {
	text, err := json.Marshal(info)
	if err != nil {
		t.fatalf("what it says can't be kept: %v", err)
	}
	var kept loader.Info
	if err := json.Unmarshal(text, &kept); err != nil {
		t.fatalf("what it says can't be kept: %v", err)
	}
	return kept
}
