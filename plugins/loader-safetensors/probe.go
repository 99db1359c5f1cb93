package main

import (
	"context"
	"path"

	"github.com/corral-fleet/corral/plugins/internal/safetensors"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Probe implements [loader.Loader].
func (folderLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	found := foldersOf(files)
	if len(found) != 1 {
		return loader.Guess{Why: "the files have no weights as safetensors, or those of several models"}, nil
	}
	f := found[0]
	if _, ok := f.files["adapter_config.json"]; ok {
		return loader.Guess{Why: "the files are an adapter, and no model"}, nil
	}
	g := loader.Guess{Format: format, Confidence: loader.Certain, Missing: f.missing(), Why: "there is a folder with weights as safetensors"}
	_, configured := f.files["config.json"]
	for _, name := range f.weights {
		if head := f.files[name].Head; head != nil && !safetensors.Looks(head) {
			g.Confidence, g.Why = loader.Possible, name+" is named like safetensors, and does not begin so"
			return g, nil
		}
	}
	for _, other := range files {
		if base := path.Base(other.Path); base == "Modelfile" || path.Ext(base) == ".gguf" {
			g.Confidence, g.Why = loader.Possible, "there are weights as safetensors among others"
			return g, nil
		}
	}
	if !configured {
		g.Confidence, g.Why = loader.Likely, "there are weights as safetensors, without config.json"
	}
	return g, nil
}
