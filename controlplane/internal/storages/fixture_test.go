package storages_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// store keeps storages in memory.
type store struct {
	mu   sync.Mutex
	list map[string]fleet.Storage
	fail error
}

func (s *store) CreateStorage(_ context.Context, st fleet.Storage) error { return s.put(st, false) }
func (s *store) SaveStorage(_ context.Context, st fleet.Storage) error   { return s.put(st, true) }

func (s *store) put(st fleet.Storage, there bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.list[st.Name]; ok != there || s.fail != nil {
		return fault.Wrap(fault.Conflict, s.fail, "not stored")
	}
	s.list[st.Name] = st
	return nil
}

func (s *store) Storages(context.Context) ([]fleet.Storage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.list)), nil
}

func (s *store) RemoveStorage(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.list, name)
	return nil
}

// plugins has two plugins: mem, whose field "password" is secret, and was "pass" in
// version 2 of its configuration, and away, which does not run.
type plugins struct {
	mu      sync.Mutex
	changed chan struct{}
	open    map[string]*instance // the latest of each name
	tried   int                  // configurations that were tried online
	refused error                // what the service says of any
	wrap    func(storages.Instance) storages.Instance
	stuck   error          // what comes of migrating
	opens   storages.State // what a storage becomes when somebody waits for it; empty is what it is
	older   bool           // mem was rolled back to version 2
}

func newPlugins() *plugins {
	return &plugins{changed: make(chan struct{}), open: map[string]*instance{}}
}

func (p *plugins) Names() []string { return []string{"away", "mem"} }

func (p *plugins) Describe(_ context.Context, plugin string) (storages.Description, error) {
	switch plugin {
	case "mem":
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.older {
			return storages.Description{Version: "0.9.0", Schema: 2, Secrets: []string{"pass", "deep.token"}}, nil
		}
		return storages.Description{Version: "1.0.0", Schema: 3, Secrets: []string{"password", "deep.token"}}, nil
	case "away":
		return storages.Description{}, fault.New(fault.Unavailable, "the plugin does not start").On(fault.Plugin)
	}
	return storages.Description{}, fault.New(fault.NotFound, "no plugin")
}

func (p *plugins) Check(_ context.Context, _ string, c storages.Configuration, online bool) ([]config.Fault, error) {
	if strings.Contains(string(c.JSON), "wrong") {
		return []config.Fault{{Field: "size", Message: "is wrong"}, {Message: "is wrong as a whole"}}, nil
	}
	if !online {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried++
	return nil, p.refused
}

func (p *plugins) Migrate(_ context.Context, _ string, c storages.Configuration) (storages.Configuration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck != nil {
		return storages.Configuration{}, p.stuck
	}
	secrets := maps.Clone(c.Secrets)
	if c.Schema < 3 {
		secrets["password"] = secrets["pass"]
		delete(secrets, "pass")
	}
	body := bytes.ReplaceAll(c.JSON, []byte(`"seconds"`), []byte(`"timeout"`))
	return storages.Configuration{JSON: body, Secrets: secrets, Schema: 3}, nil
}

func (p *plugins) Open(_, name string, c storages.Configuration) storages.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := &instance{Backend: memory.New(1 << 20), plugins: p, configuration: c, is: storages.Condition{State: storages.Starting}}
	p.open[name] = i
	if p.wrap != nil {
		return p.wrap(i)
	}
	return i
}

func (p *plugins) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// latest returns the instance of a storage that is used now.
func (p *plugins) latest(t *testing.T, name string) *instance {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.open[name]
	if i == nil {
		t.Fatalf("no instance of %q was opened", name)
	}
	return i
}

type instance struct {
	*memory.Backend

	plugins       *plugins
	configuration storages.Configuration
	is            storages.Condition // guarded by plugins.mu
	closed        bool
}

func (i *instance) Close() error {
	i.plugins.mu.Lock()
	defer i.plugins.mu.Unlock()
	i.closed = true
	return nil
}

func (i *instance) Opened(context.Context) error {
	i.plugins.mu.Lock()
	opens := i.plugins.opens
	i.plugins.mu.Unlock()
	if opens != "" {
		i.become(opens, "")
	}
	return nil
}

func (i *instance) Condition() storages.Condition {
	i.plugins.mu.Lock()
	defer i.plugins.mu.Unlock()
	return i.is
}

func (i *instance) become(state storages.State, message string) {
	i.plugins.mu.Lock()
	defer i.plugins.mu.Unlock()
	i.is = storages.Condition{State: state, Message: message, Since: noon()}
	close(i.plugins.changed)
	i.plugins.changed = make(chan struct{})
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

type lab struct {
	*storages.Service

	store   *store
	plugins *plugins
	events  *fleet.Events
}

// open returns a service with what is saved, and the storages of a settings file.
func open(t *testing.T, saved *store, pinned ...storages.Pinned) *lab {
	t.Helper()
	l := &lab{store: saved, plugins: newPlugins(), events: fleet.NewEvents(noon)}
	l.Service = storages.New(storages.Options{
		Store: saved, Plugins: l.plugins, Pinned: pinned, Events: l.events, Log: hclog.NewNullLogger(), Now: noon,
		BuiltIn: fleet.Storage{Name: "default", Plugin: "mem", Config: []byte(`{"directory":"/d"}`)},
	})
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func empty() *store { return &store{list: map[string]fleet.Storage{}} }

func spec(name, plugin, body string) storages.Spec {
	return storages.Spec{Name: name, Plugin: plugin, Config: []byte(body)}
}
