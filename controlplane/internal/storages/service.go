package storages

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Pinned is a storage of the settings file.
type Pinned struct {
	fleet.Storage

	SetIn string // the file and the line
}

// Options are what a [Service] is made of. All fields but Pinned are required.
type Options struct {
	Store   fleet.StorageStore
	Plugins Plugins
	Pinned  []Pinned
	// BuiltIn is there as long as no other has its name. It is the storage that is
	// meant where none is named.
	BuiltIn fleet.Storage
	Events  *fleet.Events
	Log     hclog.Logger
	Now     func() time.Time
}

// Service has the storages. Its methods may be called concurrently.
type Service struct {
	Options
	pinned map[string]Pinned
	waking chan struct{} // of one place: there is another storage to look at

	changing sync.Mutex // held from judging a change to its being in effect
	mu       sync.RWMutex
	saved    map[string]fleet.Storage
	entries  map[string]*entry
}

// New returns a service without storages; see [Service.Load].
func New(o Options) *Service {
	pinned := map[string]Pinned{}
	for _, p := range o.Pinned {
		pinned[p.Name] = p
	}
	return &Service{
		Options: o, pinned: pinned, waking: make(chan struct{}, 1),
		saved: map[string]fleet.Storage{}, entries: map[string]*entry{},
	}
}

// entry is a storage that stands.
type entry struct {
	fleet.Storage

	origin   Origin
	setIn    string
	instance Instance
}

// Load reads what was saved.
func (s *Service) Load(ctx context.Context) error {
	list, err := s.Store.Storages(ctx)
	if err != nil {
		return err
	}
	names := map[string]bool{s.BuiltIn.Name: true}
	for name := range s.pinned {
		names[name] = true
	}
	for i := range list {
		names[list[i].Name] = true
		s.saved[list[i].Name] = list[i]
		if p, twice := s.pinned[list[i].Name]; twice {
			s.Log.Warn("a saved storage is not used: the settings file has one of its name", "storage", p.Name, "set_in", p.SetIn)
		}
	}
	for name := range names {
		s.settle(name)
	}
	return nil
}

// standing returns the storage that a name stands for, or nil. The file's stands
// over a saved one, and that over the one that is built in.
func (s *Service) standing(name string) *entry {
	if p, ok := s.pinned[name]; ok {
		return s.opened(p.Storage, FromFile, p.SetIn)
	}
	if saved, ok := s.saved[name]; ok {
		return s.opened(saved, Saved, "")
	}
	if name == s.BuiltIn.Name {
		return s.opened(s.BuiltIn, BuiltIn, "")
	}
	return nil
}

func (s *Service) opened(st fleet.Storage, origin Origin, setIn string) *entry {
	return &entry{Storage: st, origin: origin, setIn: setIn, instance: s.Plugins.Open(st.Plugin, st.Name, stored(&st))}
}

// settle puts the storage that a name stands for in the place of the one before.
func (s *Service) settle(name string) {
	next := s.standing(name)
	s.mu.Lock()
	before := s.entries[name]
	if next == nil {
		delete(s.entries, name)
	} else {
		s.entries[name] = next
	}
	s.mu.Unlock()
	s.wake()
	if before != nil {
		s.close(before)
	}
}

// find returns a storage by its name; the empty one is that of the built-in one.
func (s *Service) find(name string) (*entry, error) {
	name = cmp.Or(name, s.BuiltIn.Name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.entries[name]; e != nil {
		return e, nil
	}
	return nil, fault.New(fault.NotFound, "there is no storage named %q", name).On(fault.Caller)
}

// standingNow returns all storages, by name.
func (s *Service) standingNow() []*entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.entries), func(a, b *entry) int { return cmp.Compare(a.Name, b.Name) })
}

// Storages returns all storages, by name, with their configurations in the versions
// that their plugins have now. One whose plugin can't say is as it is stored.
func (s *Service) Storages(ctx context.Context) []View {
	ctx, cancel := context.WithTimeout(ctx, presentTimeout)
	defer cancel()
	views := []View{}
	for _, e := range s.standingNow() {
		views = append(views, e.view(s.present(ctx, e)))
	}
	return views
}

// Storage returns one; see [Service.Storages].
func (s *Service) Storage(ctx context.Context, name string) (View, error) {
	e, err := s.find(name)
	if err != nil {
		return View{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, presentTimeout)
	defer cancel()
	return e.view(s.present(ctx, e)), nil
}

// States returns all storages, by name, with their configurations as they are stored:
// no plugin is asked.
func (s *Service) States() []View {
	views := []View{}
	for _, e := range s.standingNow() {
		views = append(views, e.view(stored(&e.Storage)))
	}
	return views
}

// close closes an instance. That a plugin is away just then is no failure of ours.
func (s *Service) close(e *entry) {
	if err := e.instance.Close(); err != nil {
		s.Log.Warn("storage not closed", "storage", e.Name, "error", err)
	}
}
