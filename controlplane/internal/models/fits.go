package models

import (
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Fits works out for each of these hosts, by their ids or names, whether a model of the
// catalogue fits there; without any, for all hosts. Where nothing is known of how the model
// is built that is fault.Conflict.
func (s *Service) Fits(name string, hosts []string, a fit.Ask) ([]fit.Fit, error) {
	stored, err := s.meant(name)
	if err != nil {
		return nil, err
	}
	model, err := fit.ReadModel(&stored)
	if err != nil {
		return nil, err
	}
	views := s.View.Hosts()
	if len(hosts) > 0 {
		views, err = named(views, hosts)
	} else {
		views = slices.DeleteFunc(views, func(h fleet.HostView) bool { return h.Pending })
	}
	if err != nil {
		return nil, err
	}
	fits := make([]fit.Fit, 0, len(views))
	for i := range views {
		h := hostFor(&views[i])
		f, err := model.On(&h, a, &s.measured)
		if err != nil {
			return nil, fault.Wrap(fault.Conflict, err, "how much memory the model %q takes is not known: %s", stored.Name, fault.MessageOf(err)).On(fault.Caller)
		}
		fits = append(fits, f)
	}
	return fits, nil
}

// hostFor returns what an estimate needs to know of a host.
func hostFor(h *fleet.HostView) fit.Host {
	return fit.HostOf(h, instanceNamed(h, instanceOf(h)))
}

// measure notes what models of the catalogue take that are loaded now.
func (s *Service) measure(hosts []fleet.HostView) {
	there := make(map[string]bool, len(hosts))
	noted := false
	for i := range hosts {
		there[hosts[i].ID] = true
		if !s.unmeasured(&hosts[i]) {
			continue
		}
		for n := range hosts[i].Instances {
			in := &hosts[i].Instances[n]
			if len(in.Loaded) > 0 && hosts[i].State.Reachable() {
				noted = s.measureOn(fit.HostOf(&hosts[i], in), in.Loaded) || noted
			}
		}
	}
	s.measured.Keep(func(hostID string) bool { return there[hostID] })
	if noted {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell() // there is nothing to do about it, and a host that says ever new things keeps nobody at work
	}
}

// unmeasured reports whether a host was not looked at as it is now, and notes that it is.
func (s *Service) unmeasured(h *fleet.HostView) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	on := s.hostedBy(h.ID)
	before := on.measured
	on.measured = on.look(s.seed, h)
	return on.measured != before
}

// measureOn reports whether there was something new.
func (s *Service) measureOn(h fit.Host, loaded []fleet.LoadedModel) (noted bool) {
	for i := range loaded {
		l := &loaded[i]
		stored, err := s.Stored(l.Name)
		if err != nil || l.Digest == "" || stored.Digest != l.Digest || l.SizeBytes <= 0 || s.measured.Has(&h, l) {
			continue
		}
		model, err := fit.ReadModel(&stored)
		if err != nil {
			model = nil // noted all the same, so that nobody looks at it again
		}
		s.measured.Note(&h, l, model)
		noted = true
	}
	return noted
}
