package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/chattemplate"
	"github.com/corral-fleet/corral/plugins/internal/safetensors"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// maxTextBytes is the most that is read of a file that is text.
const maxTextBytes = 4 << 20

// Inspect implements [loader.Loader].
func (folderLoader) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	f, err := find(files.List())
	if err != nil {
		return loader.Info{}, err
	}
	if missing := f.missing(); len(missing) > 0 {
		return loader.Info{}, fault.New(fault.NotFound, "the model lacks files: %s", strings.Join(missing, ", "))
	}
	c, err := f.config(ctx, files)
	if err != nil {
		return loader.Info{}, err
	}
	tensors, err := f.tensors(ctx, files)
	if err != nil {
		return loader.Info{}, err
	}
	template, err := f.template(ctx, files)
	if err != nil {
		return loader.Info{}, err
	}
	info := loader.Info{
		Kind: loader.KindModel, Format: format, Architecture: c.Architectures[0], Name: c.Name, Quantization: typeOf(tensors),
		ContextTokens: c.text().MaxPositions, EmbeddingDimensions: c.text().HiddenSize, Template: template,
		Geometry: geometryOf(c, tensors),
	}
	for _, one := range tensors {
		info.Parameters += int64(min(one.Elements(), 1<<50))
		info.WeightBytes += one.SizeBytes
	}
	for _, name := range f.taken() {
		file := f.files[name]
		info.Layers = append(info.Layers, loader.Layer{
			Role: loader.RoleModel, Name: name, SizeBytes: file.SizeBytes, SHA256: file.SHA256,
			Parts: []loader.Part{{File: file.Path, LengthBytes: file.SizeBytes}},
		})
	}
	say(&info, c)
	return info, nil
}

// say says what the model can do.
func say(info *loader.Info, c config) {
	if strings.HasSuffix(c.Architectures[0], "BertModel") || strings.Contains(c.Architectures[0], "BertMoE") {
		info.Capabilities = append(info.Capabilities, loader.Embedding)
		return
	}
	info.Capabilities = append(info.Capabilities, loader.Completion)
	if len(c.Vision) > 0 && string(c.Vision) != "null" {
		info.Capabilities = append(info.Capabilities, loader.Vision)
	}
	t, _ := chattemplate.Find(info.Template)
	if t.Tools() {
		info.Capabilities = append(info.Capabilities, loader.Tools)
	}
	if t.Thinking() {
		info.Capabilities = append(info.Capabilities, loader.Thinking)
	}
}

// read returns a text, whole.
func (f folder) read(ctx context.Context, files loader.Files, name string) ([]byte, error) {
	file := f.files[name]
	if file.SizeBytes > maxTextBytes {
		return nil, fault.New(fault.TooLarge, "%s has %d bytes", file.Path, file.SizeBytes)
	}
	text := make([]byte, file.SizeBytes)
	if n, err := files.ReadAt(ctx, file.Path, text, 0); n < len(text) {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, fault.New(fault.Corrupt, "%s is cut off", file.Path)
		}
		return nil, err
	}
	return text, nil
}

// tensors reads the headers of the weights, which have to be what the index says.
func (f folder) tensors(ctx context.Context, files loader.Files) ([]safetensors.Tensor, error) {
	where := map[string]string{}
	var all []safetensors.Tensor
	for _, name := range f.weights {
		in, err := loader.Open(ctx, files, f.files[name].Path)
		if err != nil {
			return nil, err
		}
		some, err := safetensors.Read(in, in.Size())
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "%s: %s", f.files[name].Path, fault.MessageOf(err)).On(fault.SideOf(err))
		}
		for _, one := range some {
			if before, ok := where[one.Name]; ok {
				return nil, fault.New(fault.Corrupt, "the tensor %.80q is in %s and in %s", one.Name, before, name)
			}
			where[one.Name] = name
		}
		all = append(all, some...)
	}
	return all, f.indexed(ctx, files, where)
}

// indexed returns what is wrong with the index, where there is one.
func (f folder) indexed(ctx context.Context, files loader.Files, where map[string]string) error {
	const name = "model.safetensors.index.json"
	if _, ok := f.files[name]; !ok {
		return nil
	}
	text, err := f.read(ctx, files, name)
	if err != nil {
		return err
	}
	var index struct {
		Weights map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return fault.Wrap(fault.Corrupt, err, "%s is no index", f.files[name].Path)
	}
	for _, tensor := range slices.Sorted(maps.Keys(index.Weights)) {
		if in := where[tensor]; in != index.Weights[tensor] {
			return fault.New(fault.Corrupt, "the index has the tensor %.80q in %.80q, and it is in %q", tensor, index.Weights[tensor], in)
		}
	}
	return nil
}

// typeOf returns the type of most weights, as Ollama calls it.
func typeOf(tensors []safetensors.Tensor) string {
	bytes := map[string]int64{}
	for _, t := range tensors {
		bytes[t.Type] += t.SizeBytes
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(bytes)), func(a, b string) int { return cmp.Compare(bytes[a], bytes[b]) })
}

// template returns the template of a chat, in Jinja.
func (f folder) template(ctx context.Context, files loader.Files) (string, error) {
	const name = "tokenizer_config.json"
	if _, ok := f.files[name]; !ok {
		return "", nil
	}
	text, err := f.read(ctx, files, name)
	if err != nil {
		return "", err
	}
	var tokenizer struct {
		Template json.RawMessage `json:"chat_template"`
	}
	if err := json.Unmarshal(text, &tokenizer); err != nil {
		return "", fault.Wrap(fault.Corrupt, err, "%s is no JSON", f.files[name].Path)
	}
	var one string
	if json.Unmarshal(tokenizer.Template, &one) == nil {
		return one, nil
	}
	var several []struct{ Name, Template string }
	if err := json.Unmarshal(tokenizer.Template, &several); len(tokenizer.Template) > 0 && err != nil {
		return "", fault.Wrap(fault.Corrupt, err, "the template of a chat in %s is none", f.files[name].Path)
	}
	for _, t := range several {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", nil
}

// config is what config.json says.
type config struct {
	Architectures []string        `json:"architectures"`
	ModelType     string          `json:"model_type"`
	Name          string          `json:"_name_or_path"`
	Quantized     json.RawMessage `json:"quantization_config"`
	Vision        json.RawMessage `json:"vision_config"`
	Text          *dimensions     `json:"text_config"`
	dimensions
}

// dimensions are how large a model is.
type dimensions struct {
	HiddenSize   int64 `json:"hidden_size"`
	Layers       int64 `json:"num_hidden_layers"`
	Heads        int64 `json:"num_attention_heads"`
	KVHeads      int64 `json:"num_key_value_heads"`
	HeadLength   int64 `json:"head_dim"`
	FeedForward  int64 `json:"intermediate_size"`
	MaxPositions int64 `json:"max_position_embeddings"`
}

// text are the dimensions of what writes texts.
func (c config) text() dimensions {
	if c.Text != nil && c.HiddenSize == 0 {
		return *c.Text
	}
	return c.dimensions
}

// config reads config.json.
func (f folder) config(ctx context.Context, files loader.Files) (config, error) {
	name := f.files["config.json"].Path
	text, err := f.read(ctx, files, "config.json")
	if err != nil {
		return config{}, err
	}
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fault.Wrap(fault.Corrupt, err, "%s is no configuration of a model", name)
	}
	d := c.text()
	if len(c.Architectures) == 0 || c.Architectures[0] == "" || len(c.Architectures[0]) > 200 {
		return c, fault.New(fault.Corrupt, "%s does not say which architecture the model has", name)
	}
	if min(d.HiddenSize, d.Layers, d.Heads, d.KVHeads, d.HeadLength, d.FeedForward, d.MaxPositions) < 0 ||
		max(d.HiddenSize, d.Layers, d.Heads, d.KVHeads, d.HeadLength, d.FeedForward, d.MaxPositions) > 1<<31 {
		return c, fault.New(fault.Corrupt, "%s has dimensions that no model has", name)
	}
	if len(c.Quantized) > 0 && string(c.Quantized) != "null" {
		return c, fault.New(fault.NotImplemented, "the weights are quantised already, in a way that Ollama does not convert: take the model as it was before, or as GGUF (%s)", quantizedBy(c.Quantized))
	}
	if strings.Contains(c.Name, "/") { // the path of whoever has made it
		c.Name = c.Name[strings.LastIndex(c.Name, "/")+1:]
	}
	return c, nil
}

func quantizedBy(text json.RawMessage) string {
	var by struct {
		Method string `json:"quant_method"`
	}
	if json.Unmarshal(text, &by) != nil || by.Method == "" {
		return "by whatever"
	}
	return fmt.Sprintf("%.40q", by.Method)
}
