package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/ggufmodel"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// maxBytes is far more than a Modelfile has.
const maxBytes = 1 << 20

// find returns the Modelfile among files.
func find(files []loader.File) (loader.File, bool) {
	at := slices.IndexFunc(files, func(f loader.File) bool {
		base := path.Base(f.Path)
		return base == "Modelfile" || strings.EqualFold(path.Ext(base), ".modelfile")
	})
	if at < 0 {
		return loader.File{}, false
	}
	return files[at], true
}

// Probe implements [loader.Loader].
func (modelfileLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	f, found := find(files)
	if !found {
		return probeKept(files), nil
	}
	g := loader.Guess{Format: format, Confidence: loader.Certain, Why: "there is a Modelfile"}
	if f.Head == nil {
		g.Confidence = loader.Likely
		return g, nil
	}
	if !slices.ContainsFunc(bytes.Split(f.Head, []byte("\n")), func(line []byte) bool { return bytes.HasPrefix(bytes.ToUpper(bytes.TrimSpace(line)), []byte("FROM ")) }) {
		g.Confidence, g.Why = loader.Possible, "there is a Modelfile that names no model"
	}
	if all, err := parse(string(f.Head)); err == nil {
		if w, err := wantedOf(f, all, files); err == nil {
			g.Missing = w.missing
		}
	}
	return g, nil
}

// wanted is what a Modelfile is of.
type wanted struct {
	files    []string // GGUFs, by their paths
	name     string   // of a model that Ollama has
	adapters int
	missing  []string
}

// wantedOf returns what the instructions FROM and ADAPTER name.
func wantedOf(f loader.File, all []instruction, files []loader.File) (wanted, error) {
	var w wanted
	for _, one := range all {
		if one.name != "FROM" && one.name != "ADAPTER" {
			continue
		}
		at := path.Join(path.Dir(f.Path), one.value)
		there := slices.ContainsFunc(files, func(f loader.File) bool { return f.Path == at })
		folder := slices.ContainsFunc(files, func(f loader.File) bool { return strings.HasPrefix(f.Path, at+"/") }) || path.Clean(one.value) == "."
		if one.name == "ADAPTER" {
			w.adapters++
		}
		switch isPath := one.name == "ADAPTER" || strings.HasPrefix(one.value, "./") || path.Ext(one.value) == ".gguf" || path.Ext(one.value) == ".safetensors"; {
		case there:
			w.files = append(w.files, at)
		case strings.HasPrefix(one.value, "/"), strings.HasPrefix(one.value, "~"), strings.Contains(one.value, ".."), strings.Contains(one.value, `\`):
			return w, fault.New(fault.Invalid, "line %d of the Modelfile: %.80q leads out of its folder", one.line, one.value)
		case folder:
			return w, fault.New(fault.NotImplemented, "line %d of the Modelfile: a folder is taken by itself, without a Modelfile", one.line)
		case isPath && loader.CheckPath(at) != nil:
			return w, fault.New(fault.Invalid, "line %d of the Modelfile: %.80q is no path", one.line, one.value)
		case isPath:
			w.missing = append(w.missing, at)
		case w.name != "" || strings.ContainsAny(one.value, " \t\n") || len(one.value) > 400:
			return w, fault.New(fault.Invalid, "line %d of the Modelfile: %.80q is no model, or a second one", one.line, one.value)
		default:
			w.name = one.value
		}
	}
	if w.name == "" && len(w.files) == w.adapters && len(w.missing) == 0 || w.name != "" && len(w.files)+len(w.missing) > w.adapters {
		return w, fault.New(fault.Invalid, "the Modelfile names no model, or more than one: it has one in FROM")
	}
	return w, nil
}

// Inspect implements [loader.Loader].
func (modelfileLoader) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	f, found := find(files.List())
	if !found {
		k, err := findKept(ctx, files)
		switch {
		case err != nil:
			return loader.Info{}, err
		case k == nil:
			return loader.Info{}, fault.New(fault.Invalid, "there is no Modelfile, and no model as Ollama keeps one")
		}
		return inspectKept(ctx, files, k)
	}
	text, err := read(ctx, files, f)
	if err != nil {
		return loader.Info{}, err
	}
	all, err := parse(text)
	if err != nil {
		return loader.Info{}, err
	}
	w, err := wantedOf(f, all, files.List())
	if err != nil {
		return loader.Info{}, err
	}
	if len(w.missing) > 0 {
		return loader.Info{}, fault.New(fault.NotFound, "the Modelfile names files that are not there: %s", strings.Join(w.missing, ", "))
	}
	info := loader.Info{Kind: loader.KindAdapter}
	if len(w.files) > 0 {
		if info, err = ggufmodel.Inspect(ctx, some{files, w.files}); err != nil {
			return loader.Info{}, err
		}
	}
	info.Format = format
	if w.name != "" {
		info.BaseModel = w.name
	}
	if err := say(&info, all); err != nil {
		return loader.Info{}, err
	}
	if len(info.Layers) == 0 {
		return loader.Info{}, fault.New(fault.Invalid, "the Modelfile says nothing but the name %.80q: that model can be pulled as it is", w.name)
	}
	return info, nil
}

// say adds what the Modelfile says beside what it is of.
func say(info *loader.Info, all []instruction) error {
	add := func(role loader.Role, text string) { info.Layers = append(info.Layers, loader.Text(role, text)) }
	last := map[string]string{}
	var messages []map[string]string
	for _, one := range all {
		last[one.name] = one.value
		switch one.name {
		case "LICENSE":
			add(loader.RoleLicense, one.value)
		case "MESSAGE":
			if one.about != "system" && one.about != "user" && one.about != "assistant" {
				return fault.New(fault.Invalid, "line %d of the Modelfile: a message is of system, user or assistant, and not of %.40q", one.line, one.about)
			}
			messages = append(messages, map[string]string{"role": one.about, "content": one.value})
		}
	}
	parameters, ignored, err := parametersOf(all)
	if err != nil {
		return err
	}
	if text := last["TEMPLATE"]; text != "" {
		add(loader.RoleTemplate, text)
	}
	if text := last["SYSTEM"]; text != "" {
		add(loader.RoleSystem, text)
	}
	if parameters != "" {
		add(loader.RoleParameters, parameters)
	}
	if len(messages) > 0 {
		text, err := encoded(messages)
		if err != nil {
			return err
		}
		add(loader.RoleMessages, text)
	}
	for _, name := range ignored {
		info.Notes = append(info.Notes, fmt.Sprintf("Ollama has given up the parameter %s, which is left out.", name))
	}
	info.Renderer, info.Parser, info.Requires = last["RENDERER"], last["PARSER"], strings.TrimPrefix(last["REQUIRES"], "v")
	return nil
}

func read(ctx context.Context, files loader.Files, f loader.File) (string, error) {
	if f.SizeBytes > maxBytes {
		return "", fault.New(fault.TooLarge, "the Modelfile has %d bytes", f.SizeBytes)
	}
	text := make([]byte, f.SizeBytes)
	if n, err := files.ReadAt(ctx, f.Path, text, 0); n < len(text) {
		if err == nil || errors.Is(err, io.EOF) {
			return "", fault.New(fault.Corrupt, "the Modelfile is cut off")
		}
		return "", err
	}
	return string(text), nil
}

// some are those of files that a Modelfile names.
type some struct {
	loader.Files
	paths []string
}

func (s some) List() []loader.File {
	return slices.DeleteFunc(s.Files.List(), func(f loader.File) bool { return !slices.Contains(s.paths, f.Path) })
}

// Plan implements [loader.Loader].
func (modelfileLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	switch r.Info.Format {
	case format:
	case storeFormat:
		return planKept(r)
	default:
		return loader.Recipe{}, fault.New(fault.Invalid, "a model in the format %q is none of this loader's", r.Info.Format)
	}
	if r.Info.Kind == loader.KindAdapter {
		r.Options.From = cmp.Or(r.Options.From, r.Info.BaseModel)
	}
	return loader.Compose(r, ggufmodel.Defaults(r.Info))
}
