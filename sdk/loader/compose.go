package loader

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Defaults are what a loader brings beside the layers of files, for a model of which
// nobody wants anything else.
type Defaults struct {
	Template   string // as Ollama writes it
	Parameters json.RawMessage
	// Convert says that Ollama makes its own format of the files.
	Convert bool
}

// Compose returns the recipe of a request: the layers of the info, what somebody wants,
// and the loader's defaults where nobody wants anything. It refuses what can't be. Most
// loaders plan with nothing else.
func Compose(r Request, d Defaults) (Recipe, error) {
	recipe := Recipe{
		From: r.Options.From, Convert: d.Convert,
		Renderer: cmp.Or(r.Options.Renderer, r.Info.Renderer), Parser: cmp.Or(r.Options.Parser, r.Info.Parser),
		Requires: cmp.Or(strings.TrimPrefix(r.Options.Requires, "v"), r.Info.Requires),
	}
	for _, l := range r.Info.Layers {
		if !l.Role.text() {
			recipe.Layers = append(recipe.Layers, l)
		}
	}
	if err := checkBase(r); err != nil {
		return Recipe{}, err
	}
	if _, ok := parseVersion(r.Options.Requires); r.Options.Requires != "" && !ok {
		return Recipe{}, invalid("what the model requires has to be a version of Ollama, such as 0.17.4, and not %.40q", r.Options.Requires)
	}
	var err error
	if recipe.Quantize, err = quantize(r, d); err != nil {
		return Recipe{}, err
	}
	texts, err := textLayers(r, d)
	if err != nil {
		return Recipe{}, err
	}
	recipe.Layers = append(recipe.Layers, texts...)
	if err := withdrawn(r.Ollama, &recipe); err != nil {
		return Recipe{}, err
	}
	if r.Info.Kind == KindModel && !recipe.Convert { // else it is that of the model beneath, or of what comes of them
		if recipe.Config, err = configOf(r.Info); err != nil {
			return Recipe{}, err
		}
	}
	return recipe, nil
}

// lastWith is a version before all that have done without what they had: by 0.34.2
// Ollama has given up adapters, quantising GGUFs, and making GGUFs of anything else.
const lastWith = "0.33.999"

// withdrawn says what a version of Ollama does not do any more.
func withdrawn(ollama string, recipe *Recipe) error {
	if !Before(lastWith, ollama) {
		return nil
	}
	var what string
	switch {
	case slices.ContainsFunc(recipe.Layers, func(l Layer) bool { return l.Role == RoleAdapter }):
		what = "take adapters"
	case recipe.Convert:
		what = "make GGUFs of other formats"
	case recipe.Quantize != "":
		what = "quantise GGUFs"
	default:
		return nil
	}
	return fault.New(fault.NotImplemented, "Ollama %s does not %s any more", ollama, what).On(fault.Caller)
}

// Outgrown reports whether a version of Ollama doesn't do any more what such files need, as
// far as that is known of them before there is a plan.
func Outgrown(ollama string, info *Info, quantize string) bool {
	if !Before(lastWith, ollama) {
		return false
	}
	return slices.ContainsFunc(info.Layers, func(l Layer) bool { return l.Role == RoleAdapter }) ||
		info.Format != "" && info.Format != "gguf" || quantize != "" && !strings.EqualFold(quantize, info.Quantization)
}

// checkBase says whether what a model is based on is what such files need.
func checkBase(r Request) error {
	switch from := r.Options.From; {
	case len(r.Info.Layers) == 0:
		return invalid("nothing is known of the files: they have to be inspected first")
	case r.Info.Kind == KindModel && from != "":
		return invalid("the files have a model of their own, so that it can't be based on %s", from)
	case r.Info.Kind == KindProjector:
		return fault.New(fault.NotImplemented, "Ollama takes a projector only together with its model: put the files of both together").On(fault.Caller)
	case r.Info.Kind != KindModel && from == "":
		return invalid("the files are no model by themselves but of use on one: name the model that it is for (from)")
	}
	return nil
}

// CheckQuantize says of what weights are to be quantised to that Ollama doesn't do it,
// whatever they are. Empty is not to be quantised.
func CheckQuantize(to string) error {
	switch strings.ToUpper(to) {
	case "", "F16", "F32", "Q8_0", "Q4_K_S", "Q4_K_M":
		return nil
	}
	return fault.New(fault.NotImplemented, "Ollama does not quantise to %s: it does to q8_0, q4_K_S, q4_K_M and f16", to).On(fault.Caller)
}

// quantize returns what Ollama is to quantise the weights to.
func quantize(r Request, d Defaults) (string, error) {
	want := strings.ToUpper(r.Options.Quantize)
	if want == "" || want == strings.ToUpper(r.Info.Quantization) {
		return "", nil
	}
	if err := CheckQuantize(r.Options.Quantize); err != nil {
		return "", err
	}
	if r.Info.Kind != KindModel {
		return "", fault.New(fault.NotImplemented, "Ollama quantises models alone").On(fault.Caller)
	}
	switch is := r.Info.Quantization; {
	case is == "F16", is == "F32", is == "BF16" && d.Convert: // of which Ollama makes F16 first
	default:
		return "", fault.New(fault.NotImplemented, "the weights are %s, and Ollama quantises those of f16 and f32 alone", cmp.Or(is, "of an unknown type")).On(fault.Caller)
	}
	return r.Options.Quantize, nil
}

// textLayers returns the layers that no file has.
func textLayers(r Request, d Defaults) ([]Layer, error) {
	said := textsOf(r.Info.Layers)
	one := func(wanted string, role Role) string { return cmp.Or(wanted, strings.Join(said[role], "\n")) }
	template, defaults := one(r.Options.Template, RoleTemplate), d.Parameters
	switch {
	case template == "":
		template = d.Template
	case template != d.Template:
		if err := checkTemplate(template); err != nil {
			return nil, err
		}
		defaults = nil // what ends an answer goes with the other template
	}
	parameters, err := mergeParameters(defaults, json.RawMessage(one("", RoleParameters)), r.Options.Parameters)
	if err != nil {
		return nil, err
	}
	messages := one(string(r.Options.Messages), RoleMessages)
	if messages != "" && !isArray([]byte(messages)) {
		return nil, invalid("messages have to be a JSON array")
	}
	licenses := r.Options.Licenses
	if len(licenses) == 0 {
		licenses = said[RoleLicense]
	}
	var layers []Layer
	add := func(role Role, texts ...string) {
		for _, text := range texts {
			if text != "" {
				layers = append(layers, Text(role, text))
			}
		}
	}
	add(RoleTemplate, template)
	add(RoleSystem, one(r.Options.System, RoleSystem))
	add(RoleLicense, licenses...)
	add(RoleParameters, parameters)
	add(RoleMessages, messages)
	return layers, nil
}

// textsOf returns what stands in layers, by their roles.
func textsOf(layers []Layer) map[Role][]string {
	all := map[Role][]string{}
	for _, l := range layers {
		if l.Role.text() && len(l.Parts) > 0 {
			all[l.Role] = append(all[l.Role], string(l.Parts[0].Inline))
		}
	}
	return all
}

// Text returns a layer that stands in a recipe.
func Text(role Role, text string) Layer {
	n := int64(len(text))
	return Layer{Role: role, SizeBytes: n, Parts: []Part{{Inline: []byte(text), LengthBytes: n}}}
}

// checkTemplate returns nil where Ollama can read a template.
func checkTemplate(text string) error {
	t := parse.New("template")
	t.Mode = parse.SkipFuncCheck
	if _, err := t.Parse(text, "", "", map[string]*parse.Tree{}); err != nil {
		return invalid("the template is none of Ollama's: %v", err)
	}
	return nil
}

// mergeParameters returns parameters as a JSON object, "" for none. Later ones take the
// place of earlier ones.
func mergeParameters(from ...json.RawMessage) (string, error) {
	all := map[string]json.RawMessage{}
	for _, from := range from {
		if len(from) == 0 {
			continue
		}
		if !isObject(from) {
			return "", invalid("parameters have to be a JSON object")
		}
		var some map[string]json.RawMessage
		if err := json.Unmarshal(from, &some); err != nil {
			return "", err
		}
		maps.Copy(all, some)
	}
	if len(all) == 0 {
		return "", nil
	}
	var text strings.Builder
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false) // people read it, and marks such as <|end|> are what it is of
	err := out.Encode(all)
	return strings.TrimSpace(text.String()), err
}
