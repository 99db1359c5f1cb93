package loaderrpc

import (
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/loader"
)

func toFiles(files []loader.File) []*loaderv1.File {
	var out []*loaderv1.File
	for _, f := range files {
		out = append(out, &loaderv1.File{Path: f.Path, SizeBytes: f.SizeBytes, Sha256: f.SHA256, Head: f.Head})
	}
	return out
}

func fromFiles(files []*loaderv1.File) []loader.File {
	var out []loader.File
	for _, f := range files {
		out = append(out, loader.File{Path: f.GetPath(), SizeBytes: f.GetSizeBytes(), SHA256: f.GetSha256(), Head: f.GetHead()})
	}
	return out
}

func toGuess(g loader.Guess) *loaderv1.ProbeResponse {
	return &loaderv1.ProbeResponse{Format: g.Format, Confidence: uint32(min(max(0, g.Confidence), loader.Certain)), Missing: g.Missing, Why: g.Why}
}

func fromGuess(g *loaderv1.ProbeResponse) loader.Guess {
	return loader.Guess{Format: g.GetFormat(), Confidence: int(min(g.GetConfidence(), loader.Certain)), Missing: g.GetMissing(), Why: g.GetWhy()}
}

func toInfo(i loader.Info) *loaderv1.Info {
	out := &loaderv1.Info{
		Kind: string(i.Kind), Format: i.Format, Architecture: i.Architecture, Name: i.Name,
		Parameters: i.Parameters, Quantization: i.Quantization, WeightBytes: i.WeightBytes,
		ContextTokens: i.ContextTokens, EmbeddingDimensions: i.EmbeddingDimensions,
		Renderer: i.Renderer, Parser: i.Parser, Requires: i.Requires,
		Template: i.Template, License: i.License, BaseModel: i.BaseModel, Notes: i.Notes, Layers: toLayers(i.Layers),
	}
	for _, c := range i.Capabilities {
		out.Capabilities = append(out.Capabilities, string(c))
	}
	for role, geometry := range i.Geometry {
		if out.Geometry == nil {
			out.Geometry = map[string][]byte{}
		}
		out.Geometry[string(role)] = geometry
	}
	return out
}

func fromInfo(i *loaderv1.Info) loader.Info {
	out := loader.Info{
		Kind: loader.Kind(i.GetKind()), Format: i.GetFormat(), Architecture: i.GetArchitecture(), Name: i.GetName(),
		Parameters: i.GetParameters(), Quantization: i.GetQuantization(), WeightBytes: i.GetWeightBytes(),
		ContextTokens: i.GetContextTokens(), EmbeddingDimensions: i.GetEmbeddingDimensions(),
		Renderer: i.GetRenderer(), Parser: i.GetParser(), Requires: i.GetRequires(),
		Template: i.GetTemplate(), License: i.GetLicense(), BaseModel: i.GetBaseModel(), Notes: i.GetNotes(), Layers: fromLayers(i.GetLayers()),
	}
	for _, c := range i.GetCapabilities() {
		out.Capabilities = append(out.Capabilities, loader.Capability(c))
	}
	for role, geometry := range i.GetGeometry() {
		if out.Geometry == nil {
			out.Geometry = map[loader.Role][]byte{}
		}
		out.Geometry[loader.Role(role)] = geometry
	}
	return out
}

func toLayers(layers []loader.Layer) []*loaderv1.Layer {
	var out []*loaderv1.Layer
	for _, l := range layers {
		layer := &loaderv1.Layer{Role: string(l.Role), Name: l.Name, SizeBytes: l.SizeBytes, Sha256: l.SHA256}
		for _, p := range l.Parts {
			layer.Parts = append(layer.Parts, &loaderv1.Part{File: p.File, OffsetBytes: p.OffsetBytes, LengthBytes: p.LengthBytes, Inline: p.Inline})
		}
		out = append(out, layer)
	}
	return out
}

func fromLayers(layers []*loaderv1.Layer) []loader.Layer {
	var out []loader.Layer
	for _, l := range layers {
		layer := loader.Layer{Role: loader.Role(l.GetRole()), Name: l.GetName(), SizeBytes: l.GetSizeBytes(), SHA256: l.GetSha256()}
		for _, p := range l.GetParts() {
			layer.Parts = append(layer.Parts, loader.Part{File: p.GetFile(), OffsetBytes: p.GetOffsetBytes(), LengthBytes: p.GetLengthBytes(), Inline: p.GetInline()})
		}
		out = append(out, layer)
	}
	return out
}

func toRequest(instance string, r loader.Request) *loaderv1.PlanRequest {
	return &loaderv1.PlanRequest{Instance: instance, Info: toInfo(r.Info), Options: toOptions(r.Options), OllamaVersion: r.Ollama}
}

func fromRequest(r *loaderv1.PlanRequest) loader.Request {
	return loader.Request{Info: fromInfo(r.GetInfo()), Options: fromOptions(r.GetOptions()), Ollama: r.GetOllamaVersion()}
}

func toOptions(o loader.Options) *loaderv1.Options {
	return &loaderv1.Options{
		Quantize: o.Quantize, From: o.From, Template: o.Template, System: o.System,
		ParametersJson: o.Parameters, MessagesJson: o.Messages, Licenses: o.Licenses, Renderer: o.Renderer, Parser: o.Parser, Requires: o.Requires,
	}
}

func fromOptions(o *loaderv1.Options) loader.Options {
	return loader.Options{
		Quantize: o.GetQuantize(), From: o.GetFrom(), Template: o.GetTemplate(), System: o.GetSystem(),
		Parameters: o.GetParametersJson(), Messages: o.GetMessagesJson(), Licenses: o.GetLicenses(), Renderer: o.GetRenderer(), Parser: o.GetParser(), Requires: o.GetRequires(),
	}
}

func toRecipe(r loader.Recipe) *loaderv1.Recipe {
	return &loaderv1.Recipe{
		Layers: toLayers(r.Layers), From: r.From, Quantize: r.Quantize, Convert: r.Convert,
		Renderer: r.Renderer, Parser: r.Parser, Requires: r.Requires, ConfigJson: r.Config,
	}
}

func fromRecipe(r *loaderv1.Recipe) loader.Recipe {
	return loader.Recipe{
		Layers: fromLayers(r.GetLayers()), From: r.GetFrom(), Quantize: r.GetQuantize(), Convert: r.GetConvert(),
		Renderer: r.GetRenderer(), Parser: r.GetParser(), Requires: r.GetRequires(), Config: r.GetConfigJson(),
	}
}
