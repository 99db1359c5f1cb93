package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/ggufmodel"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

const (
	// storeFormat is what the loader calls a model as an Ollama keeps it.
	storeFormat = "ollama"
	// imageType is what the types of an Ollama's layers begin with.
	imageType = "application/vnd.ollama.image."

	maxManifestBytes = 1 << 20
	maxTextBytes     = 1 << 20 // of one
	maxLayers        = 64
)

// manifest is what a model is made of.
type manifest struct {
	Config blob   `json:"config"`
	Layers []blob `json:"layers"`
}

// blob is a file as a manifest names it.
type blob struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// roleOf returns what a layer is to a model.
func roleOf(mediaType string) (loader.Role, bool) {
	switch kind := strings.TrimPrefix(mediaType, imageType); kind {
	case "params":
		return loader.RoleParameters, true
	case "model", "projector", "adapter", "template", "system", "license", "messages":
		return loader.Role(kind), strings.HasPrefix(mediaType, imageType)
	}
	return "", false
}

// inspectKept says what is in a model as an Ollama keeps it.
func inspectKept(ctx context.Context, files loader.Files, k *kept) (loader.Info, error) {
	text, err := readPart(ctx, files, k.manifest, maxManifestBytes)
	if err != nil {
		return loader.Info{}, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return loader.Info{}, fault.Wrap(fault.Corrupt, err, "the manifest of the model is no JSON")
	}
	layers, err := k.layers(ctx, files, m)
	if err != nil {
		return loader.Info{}, err
	}
	info, err := ggufmodel.Inspect(ctx, weightsOf(files, layers))
	if err != nil {
		return loader.Info{}, err
	}
	var config struct {
		Renderer string `json:"renderer"`
		Parser   string `json:"parser"`
		Requires string `json:"requires"`
	}
	if err := json.Unmarshal(layers[len(layers)-1].Parts[0].Inline, &config); err != nil {
		return loader.Info{}, fault.Wrap(fault.Corrupt, err, "the configuration of the model is not as Ollama's")
	}
	for role := range info.Geometry {
		if !slices.ContainsFunc(layers, func(l loader.Layer) bool { return l.Role == role }) {
			return loader.Info{}, fault.New(fault.Invalid, "the model has a %s that is named as something else", role)
		}
	}
	info.Format, info.Layers = storeFormat, layers
	info.Renderer, info.Parser, info.Requires = config.Renderer, config.Parser, config.Requires
	if k.name != "" {
		info.Name = k.name
	}
	// What loader-gguf has to say of the template is of no interest: the model has one.
	info.Notes = nil
	return info, info.Check(files.List())
}

// layers returns what a manifest names, in its order, and its configuration at the end.
func (k *kept) layers(ctx context.Context, files loader.Files, m manifest) ([]loader.Layer, error) {
	if len(m.Layers) == 0 || len(m.Layers) > maxLayers {
		return nil, fault.New(fault.Invalid, "the manifest of the model has %d layers", len(m.Layers))
	}
	var layers []loader.Layer
	seen := map[loader.Role]bool{}
	for _, b := range m.Layers {
		role, known := roleOf(b.MediaType)
		if !known {
			return nil, fault.New(fault.NotImplemented, "the model has a layer of the type %.100q, which isn't known", b.MediaType)
		}
		if seen[role] && role != loader.RoleLicense {
			return nil, fault.New(fault.NotImplemented, "the model has several layers that are a %s", role)
		}
		seen[role] = true
		l, err := k.layer(ctx, files, role, b)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	if !seen[loader.RoleModel] {
		return nil, fault.New(fault.NotImplemented, "the model has no weights of its own: it runs elsewhere, or is not whole")
	}
	config, err := k.layer(ctx, files, loader.RoleConfig, m.Config)
	return append(layers, config), err
}

// layer returns one layer. A text has the digest that it should have.
func (k *kept) layer(ctx context.Context, files loader.Files, role loader.Role, b blob) (loader.Layer, error) {
	sum, isSHA256 := strings.CutPrefix(b.Digest, "sha256:")
	if raw, err := hex.DecodeString(sum); !isSHA256 || err != nil || len(raw) != sha256.Size || sum != strings.ToLower(sum) {
		return loader.Layer{}, fault.New(fault.Invalid, "the manifest of the model has the digest %.100q, which is none", b.Digest)
	}
	at, there := k.blobs[sum]
	switch {
	case !there:
		return loader.Layer{}, fault.New(fault.NotFound, "the %s of the model is missing: %s", role, b.Digest)
	case at.LengthBytes != b.Size || b.Size == 0:
		return loader.Layer{}, fault.New(fault.Corrupt, "the %s of the model has %d bytes, and should have %d: %s", role, at.LengthBytes, b.Size, b.Digest)
	}
	l := loader.Layer{Role: role, SizeBytes: b.Size, SHA256: sum, Parts: []loader.Part{at}}
	switch role {
	case loader.RoleModel, loader.RoleProjector, loader.RoleAdapter:
		l.Name = string(role) + ".gguf"
		return l, nil
	}
	text, err := readPart(ctx, files, at, maxTextBytes)
	if err != nil {
		return l, err
	}
	if is := sha256.Sum256(text); hex.EncodeToString(is[:]) != sum {
		return l, fault.New(fault.Corrupt, "the %s of the model is not what its digest says: %s", role, b.Digest)
	}
	l.Parts = []loader.Part{{Inline: text, LengthBytes: b.Size}}
	return l, nil
}

// weightsOf returns those layers that are GGUFs as files, by their names.
func weightsOf(files loader.Files, layers []loader.Layer) loader.Files {
	w := weights{Files: files, parts: map[string]loader.Part{}}
	for _, l := range layers {
		if l.Name != "" {
			w.parts[l.Name] = l.Parts[0]
			w.list = append(w.list, loader.File{Path: l.Name, SizeBytes: l.SizeBytes, SHA256: l.SHA256})
		}
	}
	return w
}

type weights struct {
	loader.Files

	list  []loader.File
	parts map[string]loader.Part
}

// List implements [loader.Files].
func (w weights) List() []loader.File { return slices.Clone(w.list) }

// ReadAt implements [loader.Files].
func (w weights) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	part, ok := w.parts[path]
	switch {
	case !ok:
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	case offset < 0 || offset >= part.LengthBytes:
		return 0, io.EOF
	}
	whole := int64(len(p)) <= part.LengthBytes-offset
	n, err := w.Files.ReadAt(ctx, part.File, p[:min(int64(len(p)), part.LengthBytes-offset)], part.OffsetBytes+offset)
	if !whole && (err == nil || errors.Is(err, io.EOF)) {
		return n, io.EOF
	}
	return n, err
}

// planKept plans a model as an Ollama keeps it: just as it is, where nobody wants anything
// else of it.
func planKept(r loader.Request) (loader.Recipe, error) {
	if r.Info.Kind != loader.KindModel || len(r.Info.Layers) == 0 {
		return loader.Recipe{}, fault.New(fault.Invalid, "nothing is known of the files: they have to be inspected first")
	}
	wanted, err := json.Marshal(r.Options)
	if err != nil || !bytes.Equal(wanted, []byte("{}")) {
		return loader.Compose(r, ggufmodel.Defaults(r.Info))
	}
	return loader.Recipe{Layers: r.Info.Layers, Requires: r.Info.Requires}, nil
}
