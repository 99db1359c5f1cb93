package models

import (
	"context"
	"encoding/json"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// A model may be based on another one, as an adapter is, or what a Modelfile makes of a
// model by its name. A host makes it of that, which has to be there first.

// basedOn returns the canonical name of what a model is based on, "" for nothing.
func basedOn(m *fleet.StoredModel) string {
	var o loader.Options
	if len(m.Options) == 0 || json.Unmarshal(m.Options, &o) != nil || o.From == "" {
		return ""
	}
	return fleet.CanonicalModel(o.From)
}

// ground has hosts get what those models are based on that they are to have and don't
// have yet. It may go again to make room, once they are made.
func (s *Service) ground(ctx context.Context, hosts map[string]*fleet.HostView) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	var list []fleet.Placement
	s.mu.Lock()
	if len(s.based) == 0 {
		s.mu.Unlock()
		return nil
	}
	for id, h := range s.hosted {
		s.compare(h, hosts[id])
		for _, c := range h.due {
			base := s.baseAt(c.place)
			if !c.wanted || !s.lacks(base, hosts[id]) || !s.offered(base.model) || s.placed[base].Wanted {
				continue
			}
			list = append(list, fleet.Placement{
				Model: base.model, HostID: base.hostID, Instance: base.instance, Wanted: true, Cached: true, Digest: s.placed[base].Digest, Since: s.Now().UTC(),
			})
		}
	}
	s.mu.Unlock()
	return s.place(ctx, list)
}

// baseAt returns where what a model is based on has to be. s.mu is held.
func (s *Service) baseAt(at place) place { return place{s.based[at.model], at.hostID, at.instance} }

// lacks reports whether a host is known not to have a model. s.mu is held.
func (s *Service) lacks(at place, h *fleet.HostView) bool {
	if at.model == "" || h == nil {
		return false
	}
	in := instanceNamed(h, at.instance)
	if in == nil || !in.ModelsKnown {
		return false
	}
	_, has := modelOn(in, at.model)
	return !has
}

// offered reports whether the catalogue has a model that hosts can get. s.mu is held.
func (s *Service) offered(model string) bool {
	m, stored := s.models[model]
	return stored && len(m.Files) > 0 && m.Loader != "" && m.Problem == "" && m.DeletedAt.IsZero()
}

// arrives reports whether a model that a host lacks is on its way to it. s.mu is held.
func (s *Service) arrives(at place, h *fleet.HostView) bool {
	r := s.runs[at]
	return s.lacks(at, h) && s.offered(at.model) && s.placed[at].Wanted && (r == nil || !r.stuck)
}

// grounded says why a model can't be made on a host yet: what it is based on is missing
// there, or is another model of the same name.
func (s *Service) grounded(t *task) error {
	name := basedOn(&t.model)
	if name == "" {
		return nil
	}
	shown := fleet.ShownModel(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, stored := s.models[name]
	has, there := modelOn(instanceNamed(&t.host, t.at.instance), name)
	ours := s.placed[s.baseAt(t.at)]
	switch {
	case there && (!stored || m.Is(has.Digest)):
		return nil
	case there && ours.Wanted && ours.Digest == has.Digest:
		return fault.New(fault.Unavailable, "it is based on %q, which this host has in the version before", shown).On(fault.Host)
	case there && m.Digest != "":
		return fault.New(fault.Conflict, "it is based on %q, and this host has another model of that name than the catalogue", shown).On(fault.Host)
	case there:
		return nil
	case s.offered(name):
		return fault.New(fault.Unavailable, "it is based on %q, which has not got to this host", shown).On(fault.Host)
	}
	return fault.New(fault.Unavailable, "it is based on %q, which neither this host nor the catalogue has", shown).On(fault.Host)
}

// nameThere returns the name that a host has for what a model is based on: its Ollama finds
// that by no other, such as in another case.
func (s *Service) nameThere(t *task, from string) string {
	if in := instanceNamed(&t.host, t.at.instance); from != "" && in != nil {
		if has, there := modelOn(in, from); there && fleet.ShownModel(from) != has.Name {
			return has.Name
		}
	}
	return from
}

// circular returns why a model can't be based on another one: that is based on it.
func (s *Service) circular(name, from string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	name = fleet.CanonicalModel(name)
	for base := fleet.CanonicalModel(from); from != "" && base != ""; base = s.based[base] {
		if base == name {
			return fault.New(fault.Invalid, "a model can't be based on itself, and %q would be: give it another name", fleet.ShownModel(name)).On(fault.Caller)
		}
	}
	return nil
}
