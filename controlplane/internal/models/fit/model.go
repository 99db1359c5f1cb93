package fit

import (
	"encoding/json"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Model is what is known of how a model is built. Its methods may be called concurrently.
type Model struct {
	name, digest, architecture string

	header, projector *gguf.Header
	adapters          []*gguf.Header
}

// ReadModel returns what the loader of a model found out about it. It fails with
// fault.Conflict, and a sentence that says why, where that is not enough for an estimate.
func ReadModel(m *fleet.StoredModel) (*Model, error) {
	if m.Problem != "" {
		return nil, unknown(m, "it can't be used: "+m.Problem)
	}
	if len(m.Info) == 0 {
		return nil, unknown(m, "nobody has looked at its files yet")
	}
	var info loader.Info
	if err := json.Unmarshal(m.Info, &info); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "what is stored of the model %q can't be read", m.Name)
	}
	if info.Kind != loader.KindModel {
		return nil, unknown(m, "it is of the kind "+string(info.Kind)+", which takes memory with the model that it is for")
	}
	if len(info.Geometry[loader.RoleModel]) == 0 {
		return nil, unknown(m, "the plugin that knows its format doesn't say how it is built")
	}
	of := &Model{name: m.Name, digest: m.Digest, architecture: info.Architecture}
	for _, part := range []struct {
		role loader.Role
		take func(*gguf.Header)
	}{
		{loader.RoleModel, func(h *gguf.Header) { of.header = h }},
		{loader.RoleProjector, func(h *gguf.Header) { of.projector = h }},
		{loader.RoleAdapter, func(h *gguf.Header) { of.adapters = append(of.adapters, h) }},
	} {
		condensed := info.Geometry[part.role]
		if len(condensed) == 0 {
			continue
		}
		h, err := gguf.ReadCondensed(condensed)
		if err != nil {
			return nil, fault.Wrap(fault.Conflict, err, "what is known of the model %q is not enough to say how much memory it takes: %s", m.Name, fault.MessageOf(err))
		}
		part.take(h)
	}
	if m.Quantize != "" {
		of.header = quantised(of.header, m.Quantize)
	}
	return of, nil
}

func unknown(m *fleet.StoredModel, why string) error {
	return fault.New(fault.Conflict, "how much memory the model %q takes is not known: %s", m.Name, why).On(fault.Caller)
}
