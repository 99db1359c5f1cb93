package storages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Spec is a storage as an operator asks for it.
type Spec struct {
	Name   string          `json:"name"`
	Plugin string          `json:"plugin"`
	Config json.RawMessage `json:"config"` // secrets among the rest; a hidden one keeps its value
	// ConfigVersion is the version that Config is of, as it was shown; 0 is the one that
	// the plugin has now. In a version that would not be shown any more, fields may mean
	// something else than they do now: it is fault.Conflict.
	ConfigVersion int `json:"config_version"`
	// HostsRead lets hosts run the plugin themselves, with all of the configuration; nil
	// leaves that as it is.
	HostsRead *bool `json:"hosts_read"`
}

// Trial is how a configuration is tried before it is saved.
type Trial bool

// The trials.
const (
	Offline Trial = false // is it a configuration at all
	Online  Trial = true  // and does its service serve
)

// openingTime is how long who saves a storage waits until it is open.
const openingTime = 3 * time.Second

// Create makes a storage. What is wrong with it is a [*config.Faults], each with the
// field; a name that is taken is fault.Conflict.
func (s *Service) Create(ctx context.Context, spec Spec, trial Trial) (View, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if !fleet.GoodStorageName(spec.Name) {
		return View{}, &config.Faults{List: []config.Fault{{Field: "name", Message: "wants 1 to 63 lower case letters, digits and dashes, with no dash at its ends"}}}
	}
	if e, err := s.find(spec.Name); err == nil && e.origin != BuiltIn {
		return View{}, fault.New(fault.Conflict, "a storage named %q exists already", spec.Name).On(fault.Caller)
	}
	st, err := s.try(ctx, spec, nil, trial)
	if err != nil {
		return View{}, err
	}
	st.CreatedAt = st.ChangedAt
	// A caller that leaves now must not decide whether the store and this process
	// agree.
	if err := s.Store.CreateStorage(context.WithoutCancel(ctx), st); err != nil {
		return View{}, err
	}
	return s.saveAs(ctx, st)
}

// Change changes the plugin and the configuration of a storage that was saved; see
// [Service.Create]. One that the settings file pins is fault.Conflict, and so is
// another name.
func (s *Service) Change(ctx context.Context, name string, spec Spec, trial Trial) (View, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	e, err := s.changeable(name)
	if err != nil {
		return View{}, err
	}
	if spec.Name != "" && spec.Name != name {
		return View{}, fault.New(fault.Conflict, "a storage keeps its name").On(fault.Caller)
	}
	spec.Name = name
	if spec.Plugin == "" {
		spec.Plugin = e.Plugin
	}
	st, err := s.try(ctx, spec, e, trial)
	if err != nil {
		return View{}, err
	}
	st.CreatedAt = e.CreatedAt
	save := s.Store.SaveStorage
	if e.origin == BuiltIn {
		st.CreatedAt, save = st.ChangedAt, s.Store.CreateStorage
	}
	if err := save(context.WithoutCancel(ctx), st); err != nil {
		return View{}, err
	}
	return s.saveAs(ctx, st)
}

// Remove forgets a storage that was saved. Its files stay where they are.
func (s *Service) Remove(ctx context.Context, name string) (View, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	e, err := s.changeable(name)
	if err != nil {
		return View{}, err
	}
	if e.origin == BuiltIn {
		return View{}, fault.New(fault.Conflict, "the storage %q is built in; it gives way to another one of its name", name).On(fault.Caller)
	}
	if err := s.Store.RemoveStorage(context.WithoutCancel(ctx), name); err != nil {
		return View{}, err
	}
	s.mu.Lock()
	delete(s.saved, name)
	s.mu.Unlock()
	s.settle(name)
	return e.view(stored(&e.Storage)), nil
}

// Try tries what an operator asks for, and saves nothing. Secrets that are hidden are
// those of the storage of that name.
func (s *Service) Try(ctx context.Context, name string, spec Spec, trial Trial) error {
	e, err := s.find(name)
	if err != nil {
		return err
	}
	if spec.Plugin == "" {
		spec.Plugin = e.Plugin
	}
	_, err = s.try(ctx, spec, e, trial)
	return err
}

func (s *Service) saveAs(ctx context.Context, st fleet.Storage) (View, error) {
	s.mu.Lock()
	s.saved[st.Name] = st
	s.mu.Unlock()
	s.settle(st.Name)
	if e, err := s.find(st.Name); err == nil { // whoever saved it is to see how it is
		opening, cancel := context.WithTimeout(ctx, openingTime)
		_ = e.instance.Opened(opening) // which its condition says
		cancel()
	}
	return s.Storage(ctx, st.Name)
}

// changeable returns a storage that may be changed here.
func (s *Service) changeable(name string) (*entry, error) {
	e, err := s.find(name)
	if err == nil && e.origin == FromFile {
		err = fault.New(fault.Conflict, "the storage %q is set in %s; change it there", name, e.setIn).On(fault.Caller)
	}
	return e, err
}

// try returns what is to be stored, if it would work. before is the storage whose
// place it is to take, or nil.
func (s *Service) try(ctx context.Context, spec Spec, before *entry, trial Trial) (fleet.Storage, error) {
	about, err := s.Plugins.Describe(ctx, spec.Plugin)
	if fault.KindOf(err) == fault.NotFound || spec.Plugin == "" {
		return fleet.Storage{}, &config.Faults{List: []config.Fault{{Field: "plugin", Message: s.noPlugin(spec.Plugin)}}}
	}
	if err != nil {
		return fleet.Storage{}, explain(spec.Name, err)
	}
	var kept map[string]string
	shown, hostsRead := about.Schema, before != nil && before.HostsRead
	if spec.HostsRead != nil {
		hostsRead = *spec.HostsRead
	}
	if before != nil && before.Plugin == spec.Plugin {
		now, err := s.migrate(ctx, before, about.Schema) // what is hidden has the names of now
		switch {
		case fault.KindOf(err) == fault.Invalid: // and was shown as it is stored
			now = stored(&before.Storage)
		case err != nil:
			return fleet.Storage{}, explain(spec.Name, err)
		}
		kept, shown = now.Secrets, now.Schema
	}
	if of := spec.ConfigVersion; of != 0 && of != about.Schema && of != shown {
		return fleet.Storage{}, fault.New(fault.Conflict,
			"the configuration is of version %d, and the plugin %q has version %d now: load it again, and then change it", of, spec.Plugin, about.Schema).On(fault.Caller)
	}
	c, faults := split(spec.Config, about.Secrets, kept)
	c.Schema = about.Schema
	if len(faults) == 0 {
		faults, err = s.Plugins.Check(ctx, spec.Plugin, c, bool(trial))
	}
	switch {
	case len(faults) > 0:
		return fleet.Storage{}, inConfig(faults)
	case err != nil:
		return fleet.Storage{}, refusal(spec.Name, err)
	}
	return fleet.Storage{
		Name: spec.Name, Plugin: spec.Plugin, Config: bytes.Clone(c.JSON), Secrets: c.Secrets, Schema: c.Schema, HostsRead: hostsRead,
		ChangedAt: s.Now().UTC(),
	}, nil
}

// noPlugin says that there is no plugin of a name, and which there are.
func (s *Service) noPlugin(name string) string {
	says := "has to name a storage plugin"
	if name != "" {
		says = fmt.Sprintf("there is no storage plugin %q", name)
	}
	if names := s.Plugins.Names(); len(names) > 0 {
		return says + "; there are " + strings.Join(names, ", ")
	}
	return says + ", and there are none here"
}

// inConfig has the faults of a configuration stand under the field that holds it.
func inConfig(faults []config.Fault) error {
	list := &config.Faults{}
	for _, f := range faults {
		field := "config"
		if f.Field != "" {
			field += "." + f.Field
		}
		list.List = append(list.List, config.Fault{Field: field, Message: f.Message})
	}
	return list
}

// refusal is what an operator hears whose configuration was tried in vain: that it is
// wrong, as far as the service says so, else that the service can't be asked.
func refusal(name string, err error) error {
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.Invalid, fault.Conflict:
		return inConfig([]config.Fault{{Message: fault.MessageOf(err)}})
	}
	return explain(name, err)
}
