package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Names of the files that each model has.
const (
	manifestFile = "manifest.json"
	configFile   = "config.json"
)

// maxManifestBytes is how large a manifest may be: as large as registries have to take.
const maxManifestBytes = 4 << 20

// Types of manifests.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
)

// manifest names the blobs of a model, or other manifests.
type manifest struct {
	Config    *descriptor  `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

// descriptor is a blob as a manifest names it.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// model is what a reference was at a time.
type model struct {
	repo     string
	manifest []byte
	files    map[string]storage.Info // by path
}

// fetch asks for a model.
func (g *registry) fetch(ctx context.Context, r reference) (*model, error) {
	text, err := g.manifest(ctx, r, r.tag)
	if err != nil {
		return nil, err
	}
	m, err := parse(text, r)
	if err == nil && len(m.Manifests) == 1 { // such as of a single platform
		if text, err = g.manifest(ctx, r, m.Manifests[0].Digest); err == nil {
			m, err = parse(text, r)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(m.Manifests) > 0:
		return nil, fault.New(fault.NotImplemented, "%s is several, of which one is to be named by its digest: %s", r.folder, digests(m.Manifests)).On(fault.Caller)
	case m.Config == nil:
		return nil, fault.New(fault.Invalid, "the manifest of %s is of a kind that is not known", r.folder).On(fault.Service)
	}
	return modelOf(r, text, m)
}

func parse(text []byte, r reference) (m manifest, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fault.Wrap(fault.Corrupt, err, "the manifest of %s can't be read", r.folder).On(fault.Service)
	}
	return m, nil
}

func digests(all []descriptor) string {
	var names []string
	for _, d := range all {
		names = append(names, d.Digest)
	}
	return strings.Join(names, ", ")
}

// manifest returns a manifest by a tag or a digest, whose bytes are what the digest says.
func (g *registry) manifest(ctx context.Context, r reference, tag string) ([]byte, error) {
	text, header, err := g.Bytes(ctx, served.Request{
		URL: g.endpoint + "/v2/" + r.repo + "/manifests/" + tag, What: "look for " + r.folder,
		Header: http.Header{"Accept": {ociManifest, dockerManifest, ociIndex, dockerList}},
	}, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	is := digestPrefix + sumOf(text)
	for _, want := range []string{header.Get("Docker-Content-Digest"), tag} {
		if isDigest(want) && want != is {
			return nil, fault.New(fault.Corrupt, "the manifest of %s has the digest %s, not %s", r.folder, is, want).On(fault.Service)
		}
	}
	return text, nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// modelOf returns the files of a manifest.
func modelOf(r reference, text []byte, m manifest) (*model, error) {
	of := &model{repo: r.repo, manifest: bytes.Clone(text), files: map[string]storage.Info{
		manifestFile: {Key: r.folder + manifestFile, SizeBytes: int64(len(text)), Version: digestPrefix + sumOf(text), SHA256: sumOf(text)},
	}}
	blobs := slices.Clone(m.Layers)
	if m.Config.Size > 0 {
		m.Config.Annotations = nil
		blobs = append(blobs, *m.Config)
	}
	// A file keeps the name that it was pushed with, whatever the others are called.
	slices.SortStableFunc(blobs, func(a, b descriptor) int { return cmp.Compare(min(len(b.title()), 1), min(len(a.title()), 1)) })
	for _, d := range blobs {
		if !isDigest(d.Digest) || d.Size < 0 {
			return nil, fault.New(fault.Invalid, "the manifest of %s has a blob %q of %d bytes, which is none", r.folder, d.Digest, d.Size).On(fault.Service)
		}
		name := cmp.Or(d.title(), d.role())
		if d.Digest == m.Config.Digest && d.title() == "" {
			name = configFile
		}
		name = of.free(name)
		of.files[name] = storage.Info{Key: r.folder + name, SizeBytes: d.Size, Version: d.Digest, SHA256: strings.TrimPrefix(d.Digest, digestPrefix)}
	}
	return of, nil
}

// titleAnnotation is what OCI calls the name of a layer's file.
const titleAnnotation = "org.opencontainers.image.title"

// title returns the name that a layer was pushed with, "" where it has none.
func (d *descriptor) title() string {
	if title := d.Annotations[titleAnnotation]; storage.CheckKey(title) == nil {
		return title
	}
	return ""
}

// role returns a name for the file that a layer is: by what it is for, or its digest.
func (d *descriptor) role() string {
	switch d.MediaType {
	case "application/vnd.ollama.image.model", "application/vnd.docker.ai.gguf.v3":
		return "model.gguf"
	case "application/vnd.ollama.image.projector", "application/vnd.docker.ai.mmproj":
		return "projector.gguf"
	case "application/vnd.ollama.image.adapter", "application/vnd.docker.ai.gguf.v3.lora":
		return "adapter.gguf"
	case "application/vnd.ollama.image.params":
		return "params.json"
	case "application/vnd.ollama.image.messages":
		return "messages.json"
	case "application/vnd.ollama.image.template", "application/vnd.ollama.image.system", "application/vnd.ollama.image.license":
		return strings.TrimPrefix(d.MediaType, "application/vnd.ollama.image.")
	case "application/vnd.docker.ai.license":
		return "license"
	}
	return strings.Replace(d.Digest, ":", "-", 1)
}

// free returns a name that no other file of the model has.
func (m *model) free(name string) string {
	ext := path.Ext(name)
	free := name
	for n := 2; m.files[free].Key != ""; n++ {
		free = strings.TrimSuffix(name, ext) + "-" + strconv.Itoa(n) + ext
	}
	return free
}
