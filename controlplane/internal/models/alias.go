package models

import (
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// maxAliases is how many other names a model may have.
const maxAliases = 100

// canonicalNames returns names as they are kept, each once.
func canonicalNames(names []string) ([]string, error) {
	if len(names) > maxAliases {
		return nil, fault.New(fault.Invalid, "the field %q has %d names, and may have %d", "aliases", len(names), maxAliases).On(fault.Caller)
	}
	list := []string{}
	for _, name := range names {
		if !fleet.ValidModel(name) {
			return nil, fault.New(fault.Invalid, "the field %q has to have names of models, such as prod:latest, not %q", "aliases", name).On(fault.Caller)
		}
		shown := fleet.ShownModel(name)
		if !slices.ContainsFunc(list, func(has string) bool { return fleet.SameModel(has, shown) }) {
			list = append(list, shown)
		}
	}
	return list, nil
}

// alias gives a model these other names alone, and returns the models that had one of them
// before and lack it now, which happens only where it is said that names are to move.
// s.changing is held.
func (s *Service) alias(m *fleet.StoredModel, names []string, move bool) (others []fleet.StoredModel, err error) {
	if len(names) > 0 && !m.DeletedAt.IsZero() {
		return nil, fault.New(fault.Conflict, "the model %q is deleted; restore it first", m.Name).On(fault.Caller)
	}
	hosts := s.View.Hosts()
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := map[string]fleet.StoredModel{}
	for _, name := range names {
		same := func(has string) bool { return fleet.SameModel(has, name) }
		of, is := s.aliases[fleet.CanonicalModel(name)]
		switch {
		case !is:
			if err := s.taken(name, hosts); err != nil {
				return nil, err
			}
			continue
		case of.Model == fleet.CanonicalModel(m.Name):
			continue
		}
		other, known := from[of.Model]
		if !known {
			other = s.models[of.Model]
		}
		if !move {
			return nil, fault.New(fault.Conflict, "%q is an alias of the model %q; say that it is to move", name, other.Name).On(fault.Caller)
		}
		other.Aliases = slices.DeleteFunc(slices.Clone(other.Aliases), same)
		from[of.Model] = other
	}
	m.Aliases = names
	for _, other := range from {
		others = append(others, other)
	}
	return others, nil
}

// taken returns why a name can't be an alias. s.mu is held.
func (s *Service) taken(name string, hosts []fleet.HostView) error {
	canonical := fleet.CanonicalModel(name)
	if m, is := s.models[canonical]; is {
		return fault.New(fault.Conflict, "there is a model %q", m.Name).On(fault.Caller)
	}
	if s.taking[canonical] != nil {
		return fault.New(fault.Conflict, "a model %q is being stored", name).On(fault.Caller)
	}
	for i := range hosts {
		for n := range hosts[i].Instances {
			if _, has := modelOn(&hosts[i].Instances[n], name); has {
				return fault.New(fault.Conflict, "the host %q has a model %q", hosts[i].Name, name).On(fault.Caller)
			}
		}
	}
	return nil
}

// aliasesOf returns the other names of all models.
func aliasesOf(models map[string]fleet.StoredModel) fleet.Aliases {
	all := fleet.Aliases{}
	for name, m := range models {
		for _, alias := range m.Aliases {
			all[fleet.CanonicalModel(alias)] = fleet.Alias{Name: alias, Model: name}
		}
	}
	return all
}

// CheckName returns why no model can be put into the catalogue by a name: it is an alias of
// another one.
func (s *Service) CheckName(name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.checkName(name)
}

// checkName does that. s.mu is held.
func (s *Service) checkName(name string) error {
	if of, is := s.aliases[fleet.CanonicalModel(name)]; is {
		return fault.New(fault.Conflict, "%q is an alias of the model %q", name, s.models[of.Model].Name).On(fault.Caller)
	}
	return nil
}
