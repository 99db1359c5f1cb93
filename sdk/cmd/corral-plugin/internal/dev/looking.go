package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
)

func loaderCommands() []command {
	return []command{
		{"probe", "PATH", "what a file, or those in a folder, seem to be", 1, 1, probe},
		{"inspect", "PATH", "what is in them, as JSON", 1, 1, inspect},
		{"plan", "PATH [OPTIONS]", "the recipe of them, with what is wanted as JSON, such as {\"quantize\":\"q4_K_M\"}", 1, 100, plan},
		{"check", "", "whether the loader would serve", 0, 0, func(ctx context.Context, s *session, _ []string) error { return s.loader.Check(ctx) }},
	}
}

// filesAt returns a file, or those in a folder.
func filesAt(path string) (loader.Files, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "there is no %s", path).On(fault.Caller)
	}
	if info.IsDir() {
		return loadertest.Folder(path)
	}
	return oneFile{path: path, sizeBytes: info.Size()}, nil
}

// oneFile is a single file, by its name.
type oneFile struct {
	path      string
	sizeBytes int64
}

func (f oneFile) List() []loader.File {
	return []loader.File{{Path: filepath.Base(f.path), SizeBytes: f.sizeBytes}}
}

func (f oneFile) ReadAt(_ context.Context, path string, p []byte, offset int64) (int, error) {
	if path != filepath.Base(f.path) {
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return 0, err
	}
	defer file.Close() // it is only read
	return file.ReadAt(p, offset)
}

func probe(ctx context.Context, s *session, args []string) error {
	files, err := filesAt(args[0])
	if err != nil {
		return err
	}
	heads, err := loader.Heads(ctx, files)
	if err != nil {
		return err
	}
	g, err := s.loader.Probe(ctx, heads)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "format\t%s\nconfidence\t%d\nmissing\t%s\nwhy\t%s\n", orNone(g.Format), g.Confidence, orNone(strings.Join(g.Missing, ", ")), g.Why)
	return w.Flush()
}

// look inspects files, and says how long that took.
func (s *session) look(ctx context.Context, path string) (loader.Info, error) {
	files, err := filesAt(path)
	if err != nil {
		return loader.Info{}, err
	}
	began := time.Now()
	info, err := s.loader.Inspect(ctx, files)
	if err == nil {
		fmt.Fprintf(s.Out, "it took %v\n", time.Since(began).Round(time.Millisecond))
	}
	info.Geometry = nil // which nobody can read
	return info, err
}

func inspect(ctx context.Context, s *session, args []string) error {
	info, err := s.look(ctx, args[0])
	if err != nil {
		return err
	}
	return printJSON(s.Out, info)
}

func plan(ctx context.Context, s *session, args []string) error {
	var o loader.Options
	if text := strings.Join(args[1:], " "); text != "" {
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return fault.Wrap(fault.Invalid, err, "what is wanted has to be a JSON object").On(fault.Caller)
		}
	}
	info, err := s.look(ctx, args[0])
	if err != nil {
		return err
	}
	recipe, err := s.loader.Plan(ctx, loader.Request{Info: info, Options: o})
	if err != nil {
		return err
	}
	return printJSON(s.Out, recipe)
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}
