package loader

import (
	"encoding/json"
	"regexp"

	"github.com/corral-fleet/corral/sdk/fault"
)

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Check returns nil where a recipe can be carried out with files, and fault.Corrupt
// where it can't: it names bytes that there are not, or says things of which only one
// can be so. Whoever gets one from a loader checks it before they believe it.
func (r *Recipe) Check(files []File) error {
	if len(r.Layers) == 0 && r.From == "" {
		return corrupt("a recipe makes a model of nothing")
	}
	if err := checkLayers(r.Layers, files); err != nil {
		return err
	}
	if r.Convert && r.named() < len(r.Layers) {
		return corrupt("a recipe that converts has layers without a name")
	}
	if len(r.Config) > 0 && !isObject(r.Config) {
		return corrupt("a recipe has a configuration that is no JSON object")
	}
	return nil
}

// named returns how many layers need no further name.
func (r *Recipe) named() int {
	n := 0
	for i := range r.Layers {
		if r.Layers[i].Name != "" || r.Layers[i].Role.text() {
			n++
		}
	}
	return n
}

// Check returns nil where an info can be of files, and fault.Corrupt where it can't.
func (i *Info) Check(files []File) error {
	if i.Kind == "" || i.Format == "" {
		return corrupt("an info does not say what the files are")
	}
	if i.Parameters < 0 || i.WeightBytes < 0 || i.ContextTokens < 0 || i.EmbeddingDimensions < 0 {
		return corrupt("an info counts below 0")
	}
	if len(i.Layers) == 0 {
		return corrupt("an info has no layers")
	}
	texts := len(i.Template) + len(i.License) + len(i.Name) + len(i.BaseModel) + len(i.Renderer) + len(i.Parser) + len(i.Requires)
	for _, n := range i.Notes {
		texts += len(n)
	}
	for _, g := range i.Geometry {
		texts += len(g)
	}
	if texts > MaxInlineBytes {
		return fault.New(fault.TooLarge, "what is said of the files has %d bytes, more than %d", texts, MaxInlineBytes)
	}
	return checkLayers(i.Layers, files)
}

// text reports whether a layer of the role stands in the recipe itself.
func (r Role) text() bool {
	switch r {
	case RoleTemplate, RoleSystem, RoleParameters, RoleMessages, RoleLicense, RoleConfig:
		return true
	}
	return false
}

func checkLayers(layers []Layer, files []File) error {
	sizes := make(map[string]int64, len(files))
	for _, f := range files {
		sizes[f.Path] = f.SizeBytes
	}
	inline := 0
	for i := range layers {
		n, err := layers[i].check(sizes)
		if err != nil {
			return err
		}
		if inline += n; inline > MaxInlineBytes {
			return fault.New(fault.TooLarge, "the layers have more than %d bytes in them that no file has", MaxInlineBytes)
		}
	}
	return nil
}

// check returns how many bytes of a layer are in itself, and what is wrong with it.
func (l *Layer) check(sizes map[string]int64) (inline int, err error) {
	switch l.Role {
	case RoleModel, RoleProjector, RoleAdapter, RoleDraft, RoleTemplate, RoleSystem, RoleParameters, RoleMessages, RoleLicense, RoleConfig:
	default:
		return 0, corrupt("a layer has the role %q", l.Role)
	}
	if l.Name != "" {
		if err := CheckPath(l.Name); err != nil {
			return 0, err
		}
	}
	if l.SHA256 != "" && !digestPattern.MatchString(l.SHA256) {
		return 0, corrupt("a layer has the sha256 %q", l.SHA256)
	}
	total := int64(0)
	for _, p := range l.Parts {
		if err := p.check(sizes); err != nil {
			return 0, err
		}
		total += p.LengthBytes
		inline += len(p.Inline)
	}
	if total != l.SizeBytes || total < 0 {
		return 0, corrupt("a layer of %d bytes has parts of %d", l.SizeBytes, total)
	}
	return inline, l.checkText()
}

func (l *Layer) checkText() error {
	if !l.Role.text() {
		return nil
	}
	if len(l.Parts) != 1 || l.Parts[0].File != "" {
		return corrupt("a layer of the role %s does not stand in the recipe", l.Role)
	}
	switch {
	case l.Role == RoleConfig && !isObject(l.Parts[0].Inline):
		return corrupt("a configuration is no JSON object")
	case l.Role == RoleParameters && !isObject(l.Parts[0].Inline):
		return corrupt("parameters are no JSON object")
	case l.Role == RoleMessages && !isArray(l.Parts[0].Inline):
		return corrupt("messages are no JSON array")
	}
	return nil
}

func (p *Part) check(sizes map[string]int64) error {
	if p.File == "" {
		if p.LengthBytes != int64(len(p.Inline)) || p.OffsetBytes != 0 {
			return corrupt("a part has %d bytes in it and says %d", len(p.Inline), p.LengthBytes)
		}
		return nil
	}
	size, ok := sizes[p.File]
	switch {
	case !ok:
		return corrupt("a part is of the file %q, which there is not", p.File)
	case len(p.Inline) > 0:
		return corrupt("a part is of the file %q and has bytes in it as well", p.File)
	case p.OffsetBytes < 0, p.LengthBytes < 0, p.OffsetBytes > size, p.LengthBytes > size-p.OffsetBytes:
		return corrupt("a part of the file %q, %d bytes at %d, is not in its %d bytes", p.File, p.LengthBytes, p.OffsetBytes, size)
	}
	return nil
}

func isObject(text []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(text, &object) == nil && object != nil
}

func isArray(text []byte) bool {
	var array []json.RawMessage
	return json.Unmarshal(text, &array) == nil && array != nil
}

func corrupt(format string, args ...any) error { return fault.New(fault.Corrupt, format, args...) }
