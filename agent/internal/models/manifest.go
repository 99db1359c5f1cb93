package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// mediaType is Ollama's word for a role, "" where it has none.
func mediaType(role loader.Role) string {
	switch role {
	case loader.RoleModel, loader.RoleProjector, loader.RoleAdapter, loader.RoleTemplate,
		loader.RoleSystem, loader.RoleMessages, loader.RoleLicense:
		return "application/vnd.ollama.image." + string(role)
	case loader.RoleParameters:
		return "application/vnd.ollama.image.params"
	}
	return ""
}

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
)

// manifest and descriptor are written as Ollama writes its own, field for field: some
// of its versions keep what they got, others write it anew, and the digest has to be
// the same.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// image is a model as a registry has it.
type image struct {
	registry.Content
	config    []byte
	digest    string // of the manifest, in hexadecimal
	sizeBytes int64  // of all layers and the configuration, as Ollama adds them up
}

// distrust has nothing of the model come from other hosts any more, and reports whether
// something did.
func (img *image) distrust() (did bool) {
	for _, blob := range img.Blobs {
		if l, ok := blob.(*layer); ok && l.distrust() {
			did = true
		}
	}
	return did
}

// newImage makes a manifest and a configuration of layers whose digests are known.
func newImage(recipe *loader.Recipe, layers []*layer) (*image, error) {
	config, layers, err := configured(recipe, layers)
	if err != nil {
		return nil, err
	}
	m := manifest{SchemaVersion: 2, MediaType: manifestType, Config: descriptor{configType, digestOf(config), int64(len(config))}, Layers: []descriptor{}}
	made := &image{config: config, Content: registry.Content{Blobs: map[string]registry.Blob{m.Config.Digest: small(config)}}, sizeBytes: m.Config.Size}
	for _, l := range layers {
		kind := mediaType(l.Role)
		if kind == "" {
			return nil, fault.New(fault.NotImplemented, "no registry has a layer that is a %q", l.Role)
		}
		m.Layers = append(m.Layers, descriptor{kind, l.digest(), l.SizeBytes()})
		made.Blobs[l.digest()] = l
		made.sizeBytes += l.SizeBytes()
	}
	made.Manifest, err = json.Marshal(m)
	made.digest = digestOf(made.Manifest)[len("sha256:"):]
	return made, err
}

// configured returns the model's configuration, and the layers beside it.
func configured(recipe *loader.Recipe, layers []*layer) (config []byte, others []*layer, err error) {
	at := slices.IndexFunc(layers, func(l *layer) bool { return l.Role == loader.RoleConfig })
	if at < 0 {
		config, err = configOf(recipe, layers)
		return config, layers, err
	}
	if config = layers[at].inline(); config == nil {
		return nil, nil, fault.New(fault.Invalid, "the recipe has a configuration that does not stand in it")
	}
	return config, slices.Concat(layers[:at], layers[at+1:]), nil
}

// configOf is the model's configuration: what the recipe says, and what every
// configuration has.
func configOf(recipe *loader.Recipe, layers []*layer) ([]byte, error) {
	config := map[string]any{"architecture": "amd64", "os": "linux"}
	if len(recipe.Config) > 0 {
		if err := json.Unmarshal(recipe.Config, &config); err != nil || config == nil {
			return nil, fault.Wrap(fault.Invalid, err, "the configuration in the recipe is no JSON object")
		}
	}
	for name, value := range map[string]string{"renderer": recipe.Renderer, "parser": recipe.Parser, "requires": recipe.Requires} {
		if value != "" {
			config[name] = value
		}
	}
	var digests []string
	for _, l := range layers {
		digests = append(digests, l.digest())
	}
	config["rootfs"] = map[string]any{"type": "layers", "diff_ids": digests}
	return json.Marshal(config)
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
