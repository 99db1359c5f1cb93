package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/ggufmodel"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Probe implements [loader.Loader].
func (ggufLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	var ours []loader.File
	others, damaged := 0, ""
	for _, f := range files {
		switch begins := strings.HasPrefix(string(f.Head), ggufmodel.Magic); {
		case begins, ggufmodel.IsNamed(f.Path) && f.Head == nil:
			ours = append(ours, f)
		case ggufmodel.IsNamed(f.Path):
			ours = append(ours, f)
			damaged = f.Path
		case !ggufmodel.IsBeside(f.Path):
			others++
		}
	}
	if len(ours) == 0 {
		return loader.Guess{Why: "none of the files is a GGUF"}, nil
	}
	g := loader.Guess{Format: ggufmodel.Format, Confidence: loader.Certain, Why: "the files begin as GGUF"}
	for _, s := range ggufmodel.Sets(ours) {
		g.Missing = append(g.Missing, s.Missing()...)
	}
	switch {
	case damaged != "":
		g.Confidence, g.Why = loader.Possible, fmt.Sprintf("%s is named like a GGUF and does not begin as one", damaged)
	case others > 0:
		g.Confidence, g.Why = loader.Possible, "there are GGUFs among other files"
	case !slices.ContainsFunc(ours, func(f loader.File) bool { return f.Head != nil }):
		g.Confidence, g.Why = loader.Likely, "the files are named like GGUFs"
	case len(g.Missing) > 0:
		g.Why = "the files are parts of a GGUF that was split"
	}
	return g, nil
}
