package ggufmodel

import (
	"fmt"
	"path"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/chattemplate"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// assembly is a model with what goes with it. Any of its parts may be missing.
type assembly struct {
	model, projector, adapter, draft *part
}

// assemble says which GGUF is what to a model.
func assemble(parts []part) (assembly, error) {
	var a assembly
	var models []*part
	for i := range parts {
		p := &parts[i]
		switch p.info.Kind {
		case gguf.KindModel:
			models = append(models, p)
		case gguf.KindProjector:
			if a.projector != nil {
				return a, several("projectors", a.projector, p)
			}
			a.projector = p
		case gguf.KindAdapter:
			if a.adapter != nil {
				return a, several("adapters", a.adapter, p)
			}
			a.adapter = p
		case gguf.KindImatrix:
			if len(parts) == 1 {
				return a, fault.New(fault.Invalid, "%s is no model: it is what a quantiser wants to know of one", p.name())
			}
		default:
			return a, fault.New(fault.Invalid, "%s is no model: it has no weights", p.name())
		}
	}
	return a, a.take(models)
}

// take decides which of several models is the draft of the other: the one that is named
// so.
func (a *assembly) take(models []*part) error {
	for _, p := range models {
		into := &a.model
		if len(models) > 1 && strings.Contains(strings.ToLower(path.Base(p.name())), "draft") {
			into = &a.draft
		}
		if *into != nil {
			return several("models", *into, p)
		}
		*into = p
	}
	if a.draft != nil && a.model == nil {
		return fault.New(fault.Invalid, "there are drafts and no model that they could be of")
	}
	return nil
}

func several(what string, first, second *part) error {
	return fault.New(fault.Invalid, "there are several %s, %s and %s: a model has one, so take each by itself", what, first.name(), second.name())
}

// describe says what the model is.
func (a assembly) describe() (loader.Info, error) {
	info := loader.Info{Format: Format, Geometry: map[loader.Role][]byte{}}
	kind, main := loader.KindModel, a.model
	switch {
	case main != nil:
	case a.adapter != nil:
		kind, main = loader.KindAdapter, a.adapter
	case a.projector != nil:
		kind, main = loader.KindProjector, a.projector
	default:
		return info, fault.New(fault.Invalid, "there is no model among the files")
	}
	of := main.info
	info.Kind, info.Architecture, info.Name, info.License = kind, of.Architecture, of.Name, of.License
	info.Parameters, info.Quantization = count(of.Parameters), of.Quantisation.Name
	info.ContextTokens, info.EmbeddingDimensions = count(of.ContextTokens), count(of.EmbeddingLength)
	info.Template = of.ChatTemplate
	if len(of.BaseModels) > 0 {
		info.BaseModel = of.BaseModels[0].Name
	}
	if of.Quantisation.Misdeclared {
		info.Notes = append(info.Notes, fmt.Sprintf("%s says that it is quantised as %s, and its weights are mostly %s.", main.name(), of.Quantisation.Declared, of.Quantisation.Name))
	}
	for _, l := range []struct {
		role loader.Role
		part *part
	}{{loader.RoleModel, a.model}, {loader.RoleProjector, a.projector}, {loader.RoleAdapter, a.adapter}, {loader.RoleDraft, a.draft}} {
		if l.part != nil {
			info.Layers = append(info.Layers, l.part.layer(l.role))
			info.WeightBytes += count(l.part.info.WeightsBytes)
			info.Geometry[l.role] = l.part.joined.Condense()
		}
	}
	if kind == loader.KindModel {
		a.say(&info)
	}
	return info, nil
}

// say says what a model can do.
func (a assembly) say(info *loader.Info) {
	of := a.model.info
	if of.Embedding {
		info.Capabilities = append(info.Capabilities, loader.Embedding)
	} else {
		info.Capabilities = append(info.Capabilities, loader.Completion)
	}
	brings := func(has func(gguf.Info) bool) bool { return has(of) || a.projector != nil && has(a.projector.info) }
	if brings(func(i gguf.Info) bool { return i.Vision }) {
		info.Capabilities = append(info.Capabilities, loader.Vision)
	}
	if brings(func(i gguf.Info) bool { return i.Audio }) {
		info.Capabilities = append(info.Capabilities, loader.Audio)
	}
	if of.ChatTemplate == "" {
		return
	}
	t, found := chattemplate.Find(of.ChatTemplate)
	if t.Tools() {
		info.Capabilities = append(info.Capabilities, loader.Tools)
	}
	if t.Thinking() {
		info.Capabilities = append(info.Capabilities, loader.Thinking)
	}
	switch {
	case !found:
		info.Notes = append(info.Notes, "Its chat template is none that is known here. Ollama before 0.30 tells it what is said as it is, unless it is given another template.")
	case !t.Known:
		info.Notes = append(info.Notes, fmt.Sprintf("Its chat template looks like %s, of which Ollama before 0.30 is given the usual form.", t.Name))
	}
}

// layer returns the GGUF as a part of a model.
func (p part) layer(role loader.Role) loader.Layer {
	l := loader.Layer{Role: role, Name: path.Base(p.name()), Parts: p.parts()}
	for _, one := range l.Parts {
		l.SizeBytes += one.LengthBytes
	}
	if p.count == 1 {
		l.SHA256 = p.files[0].SHA256
	} else {
		whole, _ := wholeOf(path.Base(p.name()))
		l.Name = strings.Replace(whole, fmt.Sprintf("-of-%05d", p.count), "", 1)
	}
	if !IsNamed(l.Name) {
		l.Name += ".gguf"
	}
	return l
}

// count is a number of a header, which may say anything.
func count(n uint64) int64 { return int64(min(n, 1<<62)) }
