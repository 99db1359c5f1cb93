package models

import (
	"cmp"
	"maps"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Models returns every model of the fleet and of the catalogue once, by name.
func (s *Service) Models() []fleet.Model {
	byName := map[string]*fleet.Model{}
	for _, m := range fleet.ModelsOf(s.View.Hosts()) {
		byName[fleet.CanonicalModel(m.Name)] = &m
	}
	under := s.underWay()
	s.mu.RLock()
	for name, stored := range s.models {
		m := byName[name]
		if m == nil {
			m = &fleet.Model{ID: fleet.ModelID(name), Name: stored.Name, Status: fleet.ModelStored, Digests: []string{}, Residencies: []fleet.Residency{}}
			byName[name] = m
		}
		describe(m, &stored, s.said[name])
	}
	for name, operations := range under {
		if byName[name] == nil && slices.ContainsFunc(operations, arriving) {
			byName[name] = &fleet.Model{
				ID: fleet.ModelID(name), Name: operations[0].Model, Status: fleet.ModelUploading, SizeBytes: operations[0].TotalBytes,
				Digests: []string{}, Residencies: []fleet.Residency{},
			}
		}
	}
	for name, alias := range s.aliases {
		if m := byName[name]; m != nil {
			m.Problems = append(m.Problems, "Its name is an alias of the model "+s.models[alias.Model].Name+", which is what callers get by it; this one has its id.")
		}
	}
	for at, p := range s.placed {
		if m := byName[at.model]; m != nil && p.Wanted {
			m.WantedOn = append(m.WantedOn, at.hostID)
		}
	}
	s.mu.RUnlock()
	list := make([]fleet.Model, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		m := byName[name]
		slices.Sort(m.WantedOn)
		m.Follow(under[name])
		list = append(list, *m)
	}
	return list
}

// arriving reports whether an operation brings a model here.
func arriving(o fleet.Operation) bool {
	return o.Kind == fleet.UploadOperation || o.Kind == fleet.StoreOperation
}

// underWay returns the operations that have not ended, by canonical name.
func (s *Service) underWay() map[string][]fleet.Operation {
	under := map[string][]fleet.Operation{}
	for _, op := range s.Operations.UnderWay() {
		name := fleet.CanonicalModel(op.Model)
		under[name] = append(under[name], op)
	}
	return under
}

// describe adds to a model what the catalogue knows of it.
func describe(m *fleet.Model, stored *fleet.StoredModel, info loader.Info) {
	m.Name, m.Files, m.Pinned, m.Labels, m.Aliases = stored.Name, stored.Files, stored.Pinned, stored.Labels, stored.Aliases
	m.DeletedAt, m.PurgeAt = stored.DeletedAt, stored.PurgeAt
	if stored.Description != "" {
		m.Description = &stored.Description
	}
	if len(m.Residencies) == 0 {
		m.SizeBytes, m.ModifiedAt = stored.SizeBytes(), stored.ChangedAt
	}
	if stored.Digest != "" {
		if slices.Contains(m.Digests, stored.Digest) || len(m.Digests) == 0 {
			m.Digest = stored.Digest
		} else {
			m.Conflict = true // hosts have the name, and none of them this
		}
	}
	switch {
	case !stored.DeletedAt.IsZero():
		m.Status = fleet.ModelDeleting
	case stored.Problem != "" && len(m.Residencies) == 0:
		m.Status = fleet.ModelFailed
		m.Problems = append(m.Problems, stored.Problem)
	}
	m.Format = cmp.Or(m.Format, info.Format)
	m.Family = cmp.Or(m.Family, info.Architecture)
	m.Quantized = cmp.Or(m.Quantized, info.Quantization)
	m.ParameterCount, m.ContextTokens, m.License = info.Parameters, info.ContextTokens, info.License
	for _, c := range info.Capabilities {
		m.Capabilities = append(m.Capabilities, string(c))
	}
	m.Notes = slices.Clone(info.Notes)
	if slices.ContainsFunc(m.Digests, func(d string) bool { return d != stored.Digest && stored.Is(d) }) {
		m.Notes = append(m.Notes, "Hosts have made different models of its files, as other versions of Ollama do, or with an adapter those that keep their models in another folder. Calls go to the hosts that have the first.")
	}
}
