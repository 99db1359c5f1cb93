package models

import (
	"context"
	"fmt"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// AllHosts stands in the place of a host's name for all that there are and will be.
const AllHosts = "all"

// Where says which hosts are meant.
type Where struct {
	// Hosts by their ids or names, or [AllHosts] alone. Empty leaves it to the placement.
	Hosts []string
	// Labels that a host has to have, each of them.
	Labels map[string]string
	// All hosts that there are and will be.
	All bool
	// Count is how many hosts, of those that the rest leaves; 0 is one where nothing else
	// is said, else all of them.
	Count int
}

// Want has hosts get a model of the catalogue, and keep it. It returns the hosts.
func (s *Service) Want(ctx context.Context, name string, w Where) ([]fleet.HostView, error) {
	if len(w.Hosts) == 1 && w.Hosts[0] == AllHosts {
		w.Hosts, w.All = nil, true
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	m, err := s.meant(name)
	switch {
	case err != nil:
		return nil, err
	case !m.DeletedAt.IsZero():
		return nil, fault.New(fault.Conflict, "the model %q is deleted; restore it first", m.Name).On(fault.Caller)
	case m.Problem != "":
		return nil, fault.New(fault.Conflict, "the model %q can't be used: %s", m.Name, m.Problem).On(fault.Caller)
	}
	hosts, err := s.choose(&m, w)
	if err != nil {
		return nil, err
	}
	if w.All && !m.Everywhere {
		m.Everywhere = true
		if err := s.save(ctx, m); err != nil {
			return nil, err
		}
	}
	list := s.wantedOn(m.Name, hosts)
	for i := range list {
		list[i].Cached = w.open() && s.mayGo(&list[i])
	}
	return hosts, s.place(ctx, list)
}

// open reports whether it is left to the placement which hosts are meant.
func (w *Where) open() bool { return len(w.Hosts)+len(w.Labels) == 0 && !w.All && w.Count == 0 }

// mayGo reports whether nobody has said of a placement so far that it has to stay.
func (s *Service) mayGo(p *fleet.Placement) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	before, there := s.placed[placeOf(p)]
	return !there || !before.Wanted || before.Cached
}

// Choose returns the hosts that would get a model, as [Service.Want] does, of which
// nothing is known here but its name.
func (s *Service) Choose(name string, w Where) ([]fleet.HostView, error) {
	return s.choose(&fleet.StoredModel{Name: name}, w)
}

// WantedOn returns the ids of the hosts that are to have a model, in order.
func (s *Service) WantedOn(name string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []string
	for _, p := range s.placedOf(name) {
		if p.Wanted {
			ids = append(ids, p.HostID)
		}
	}
	slices.Sort(ids)
	return ids
}

// wantedOn returns placements of a model on hosts, on the first instance of each.
func (s *Service) wantedOn(name string, hosts []fleet.HostView) []fleet.Placement {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]fleet.Placement, 0, len(hosts))
	for i := range hosts {
		p := fleet.Placement{Model: fleet.CanonicalModel(name), HostID: hosts[i].ID, Instance: instanceOf(&hosts[i]), Since: s.Now().UTC()}
		if before, ok := s.placed[placeOf(&p)]; ok {
			p.Digest = before.Digest
		}
		p.Wanted = true
		list = append(list, p)
	}
	return list
}

// defaultInstance is what an agent calls the Ollama that it has.
const defaultInstance = "default"

// instanceOf returns the instance of a host that gets models.
func instanceOf(h *fleet.HostView) string {
	if len(h.Instances) > 0 {
		return h.Instances[0].Name
	}
	return defaultInstance
}

// choose returns the hosts that are meant.
func (s *Service) choose(m *fleet.StoredModel, w Where) ([]fleet.HostView, error) {
	all := s.View.Hosts()
	if len(w.Hosts) > 0 {
		return named(all, w.Hosts)
	}
	able := slices.DeleteFunc(slices.Clone(all), func(h fleet.HostView) bool { return h.Pending || !hasLabels(&h, w.Labels) })
	if len(able) == 0 {
		return nil, fault.New(fault.Unavailable, "there is no host that could get the model")
	}
	count := w.Count
	switch {
	case w.All, count == 0 && len(w.Labels) > 0:
		return able, nil
	case count == 0:
		count = 1
	}
	ranked := s.rank(m, able)
	if len(ranked) < count {
		why := ""
		if oldest := s.requires(m); slices.ContainsFunc(able, func(h fleet.HostView) bool { return olderThan(&h, oldest) }) {
			why = fmt.Sprintf("; it needs Ollama %s or newer", oldest)
		}
		return nil, fault.New(fault.Unavailable, "%d hosts are wanted, and %d could get the model now%s", count, len(ranked), why)
	}
	return ranked[:count], nil
}

// olderThan reports whether a host's Ollama is older than a version.
func olderThan(h *fleet.HostView, version string) bool {
	in := instanceNamed(h, instanceOf(h))
	return in != nil && loader.Before(in.Version, version)
}

// named returns the hosts with these ids or names, each once.
func named(all []fleet.HostView, refs []string) ([]fleet.HostView, error) {
	list := make([]fleet.HostView, 0, len(refs))
	for _, ref := range refs {
		i := slices.IndexFunc(all, func(h fleet.HostView) bool { return h.ID == ref || h.Name == ref })
		if i < 0 {
			return nil, fault.New(fault.NotFound, "there is no host %q", ref).On(fault.Caller)
		}
		if !slices.ContainsFunc(list, func(h fleet.HostView) bool { return h.ID == all[i].ID }) {
			list = append(list, all[i])
		}
	}
	return list, nil
}

func hasLabels(h *fleet.HostView, labels map[string]string) bool {
	for name, value := range labels {
		if has, ok := h.Labels[name]; !ok || has != value {
			return false
		}
	}
	return true
}
