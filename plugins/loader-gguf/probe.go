package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/loader"
)

// magic is how a GGUF begins.
const magic = "GGUF"

// Probe implements [loader.Loader].
func (ggufLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	var ours []loader.File
	others, damaged := 0, ""
	for _, f := range files {
		switch begins := strings.HasPrefix(string(f.Head), magic); {
		case begins, isNamed(f.Path) && f.Head == nil:
			ours = append(ours, f)
		case isNamed(f.Path):
			ours = append(ours, f)
			damaged = f.Path
		case !isBeside(f.Path):
			others++
		}
	}
	if len(ours) == 0 {
		return loader.Guess{Why: "none of the files is a GGUF"}, nil
	}
	g := loader.Guess{Format: format, Confidence: loader.Certain, Why: "the files begin as GGUF"}
	for _, s := range sets(ours) {
		g.Missing = append(g.Missing, s.missing()...)
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

// isBeside reports whether a file is one that people have beside a model, and that says
// nothing of it.
func isBeside(name string) bool {
	base := strings.ToLower(path.Base(name))
	switch path.Ext(base) {
	case ".md", ".txt", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".html", ".imatrix", ".sha256":
		return true
	}
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "license") || strings.HasPrefix(base, "readme") || strings.HasPrefix(base, "notice")
}
