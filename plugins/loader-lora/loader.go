package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"

	"github.com/corral-fleet/corral/plugins/internal/safetensors"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// The names that PEFT gives.
const (
	configName  = "adapter_config.json"
	weightsName = "adapter_model.safetensors"
	pickleName  = "adapter_model.bin"
)

// otherNames are what others call the weights: MLX, and people whose folder Ollama's command
// line is to take, which looks for a model's.
func otherNames() []string { return []string{"adapters.safetensors", "model.safetensors"} }

// maxConfigBytes is far more than a configuration has.
const maxConfigBytes = 1 << 20

// adapter are the files of one.
type adapter struct {
	folder          string
	config, weights loader.File
	pickle          bool // its weights are in one
}

// find returns the first adapter among files, and false where there is none.
func find(files []loader.File) (adapter, bool) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b loader.File) int { return cmp.Compare(a.Path, b.Path) })
	var a adapter
	found := false
	for _, f := range files {
		name := path.Base(f.Path)
		if name != configName && name != weightsName && name != pickleName || found && path.Dir(f.Path) != a.folder {
			continue
		}
		a.folder, found = path.Dir(f.Path), true
		switch name {
		case configName:
			a.config = f
		case weightsName:
			a.weights = f
		default:
			a.pickle = true
		}
	}
	for _, f := range files {
		if a.config.Path != "" && a.weights.Path == "" && path.Dir(f.Path) == a.folder && slices.Contains(otherNames(), path.Base(f.Path)) {
			a.weights = f
		}
	}
	return a, found && (a.config.Path != "" || a.weights.Path != "")
}

// missing returns the files that have to be there as well.
func (a adapter) missing() []string {
	var names []string
	if a.config.Path == "" {
		names = append(names, path.Join(a.folder, configName))
	}
	if a.weights.Path == "" {
		names = append(names, path.Join(a.folder, weightsName))
	}
	return names
}

// Probe implements [loader.Loader].
func (adapterLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	a, found := find(files)
	if !found {
		return loader.Guess{Why: "none of the files is an adapter of PEFT"}, nil
	}
	g := loader.Guess{Format: format, Confidence: loader.Certain, Missing: a.missing(), Why: "the files are named as PEFT names an adapter"}
	if head := a.weights.Head; head != nil && !safetensors.Looks(head) {
		g.Confidence, g.Why = loader.Possible, a.weights.Path+" is named like safetensors, and does not begin so"
	}
	return g, nil
}

// Inspect implements [loader.Loader].
func (adapterLoader) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	a, found := find(files.List())
	switch {
	case !found:
		return loader.Info{}, fault.New(fault.Invalid, "none of the files is an adapter of PEFT")
	case a.weights.Path == "" && a.pickle:
		return loader.Info{}, fault.New(fault.Invalid, "the adapter's weights are a pickle, which may do anything to whoever reads it: save them as %s", weightsName)
	case len(a.missing()) > 0:
		return loader.Info{}, fault.New(fault.NotFound, "the adapter lacks %s", a.missing()[0])
	}
	c, err := a.readConfig(ctx, files)
	if err != nil {
		return loader.Info{}, err
	}
	in, err := loader.Open(ctx, files, a.weights.Path)
	if err != nil {
		return loader.Info{}, err
	}
	tensors, err := safetensors.Read(in, in.Size())
	if err != nil {
		return loader.Info{}, fault.Wrap(fault.KindOf(err), err, "%s: %s", a.weights.Path, fault.MessageOf(err)).On(fault.SideOf(err))
	}
	info := loader.Info{
		Kind: loader.KindAdapter, Format: format, Name: path.Base(a.folder), BaseModel: c.Base, Quantization: tensors[0].Type,
		Notes: []string{"Ollama converts adapters for models of the architectures llama and gemma2 alone."},
	}
	if a.folder == "." {
		info.Name = ""
	}
	for _, t := range tensors {
		info.Parameters += int64(min(t.Elements(), 1<<50))
		info.WeightBytes += t.SizeBytes
	}
	for _, f := range []loader.File{a.config, a.weights} {
		info.Layers = append(info.Layers, loader.Layer{
			Role: loader.RoleAdapter, Name: path.Base(f.Path), SizeBytes: f.SizeBytes, SHA256: f.SHA256,
			Parts: []loader.Part{{File: f.Path, LengthBytes: f.SizeBytes}},
		})
	}
	return info, nil
}

// config is what adapter_config.json says.
type config struct {
	Type string `json:"peft_type"`
	Base string `json:"base_model_name_or_path"`
	Rank int    `json:"r"`
	DoRA bool   `json:"use_dora"`
}

func (a adapter) readConfig(ctx context.Context, files loader.Files) (config, error) {
	var c config
	if a.config.SizeBytes > maxConfigBytes {
		return c, fault.New(fault.TooLarge, "%s has %d bytes", a.config.Path, a.config.SizeBytes)
	}
	text := make([]byte, a.config.SizeBytes)
	if n, err := files.ReadAt(ctx, a.config.Path, text, 0); n < len(text) {
		if err == nil || errors.Is(err, io.EOF) {
			return c, fault.New(fault.Corrupt, "%s is cut off", a.config.Path)
		}
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fault.Wrap(fault.Corrupt, err, "%s is no configuration of an adapter", a.config.Path)
	}
	switch {
	case c.Type != "" && c.Type != "LORA":
		return c, fault.New(fault.NotImplemented, "the adapter is of the type %.80q: Ollama knows LORA alone", c.Type)
	case c.DoRA:
		return c, fault.New(fault.NotImplemented, "the adapter is a DoRA, which Ollama does not know")
	case c.Rank < 0:
		return c, fault.New(fault.Corrupt, "the adapter's rank is %d", c.Rank)
	}
	return c, nil
}

// Plan implements [loader.Loader].
func (adapterLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Format != format {
		return loader.Recipe{}, fault.New(fault.Invalid, "a model in the format %q is none of this loader's", r.Info.Format)
	}
	return loader.Compose(r, loader.Defaults{Convert: true})
}
