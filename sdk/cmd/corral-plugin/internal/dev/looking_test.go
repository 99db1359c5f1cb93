package dev

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

type nothing struct{}

func openText(context.Context, nothing) (loader.Loader, error) { return textLoader{}, nil }

// textLoader takes the first file for a model, where it has bytes.
type textLoader struct{}

func (textLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	return loader.Guess{Format: "text", Confidence: loader.Possible, Why: "begins with " + string(files[0].Head)}, nil
}

func (textLoader) Inspect(_ context.Context, files loader.Files) (loader.Info, error) {
	f := files.List()[0]
	if f.SizeBytes == 0 {
		return loader.Info{}, fault.New(fault.Corrupt, "%s is empty", f.Path)
	}
	part := loader.Part{File: f.Path, LengthBytes: f.SizeBytes}
	layer := loader.Layer{Role: loader.RoleModel, SizeBytes: f.SizeBytes, Parts: []loader.Part{part}}
	return loader.Info{Kind: loader.KindModel, Format: "text", Quantization: "F16", Layers: []loader.Layer{layer}}, nil
}

func (textLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	return loader.Compose(r, loader.Defaults{})
}

func TestTheShellTriesALoader(t *testing.T) {
	s := beginAs(t, "loader", "")
	s.await("text 0.1.0 serves\n")
	dir := t.TempDir()
	file, empty := filepath.Join(dir, "hello"), filepath.Join(t.TempDir(), "empty")
	for path, text := range map[string]string{file: "hello", empty: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range [][2]string{
		{"probe " + file, "begins with hello"},
		{"probe " + dir, "begins with hello"},
		{"probe /nowhere", "(not_found, of the caller)"},
		{"inspect " + dir, `"file": "hello"`},
		{"inspect " + empty, "empty is empty (corrupt, of the caller)"},
		{"plan " + file + ` {"quantize": "q8_0", "system": "Be brief."}`, `"quantize": "q8_0"`},
		{"plan " + file + " much", "has to be a JSON object"},
		{"plan " + file + ` {"quantize": "q1"}`, "(not_implemented, of the caller)"},
		{"ls", "no such command"},
		{"help", "plan PATH [OPTIONS]"},
		{"check", ""},
		{"restart", "text 0.1.0 serves"},
	} {
		s.say(step[0])
		s.await(step[1])
	}
	s.say("quit")
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}
