package models

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// View is what is known of the hosts.
type View interface {
	Hosts() []fleet.HostView
	// Changed returns a channel that is closed at the next change of a host, an instance
	// or a model.
	Changed() <-chan struct{}
	// Prefer says which digests models stand for where hosts disagree, and which other
	// names models have.
	Prefer(digests map[string]string, aliases fleet.Aliases)
}

// Storages are where files are kept. The empty name is the storage that is meant where
// none is named.
type Storages interface {
	// Put stores a file of this machine, and returns the name of the storage. The file is
	// given away with its sha256: nobody writes to it any more.
	Put(ctx context.Context, storage, key, localPath, sha256 string) (string, error)
	// Open reads a range of a file; the zero range is all of it.
	Open(ctx context.Context, storage, key string, part storage.Range) (io.ReadCloser, error)
	// Ready reports whether a storage serves, as far as is known.
	Ready(storage string) bool
	// Delete removes a file. That there is none is no error.
	Delete(ctx context.Context, storage, key string) error
	// Source returns from where a host can read a file.
	Source(ctx context.Context, to fleet.Target, f fleet.ModelFile) (work.Source, error)
}

// Loaders know formats of models.
type Loaders interface {
	// Inspect returns which loader knows the files, and what it says of them. One that broke
	// down at them is named as well, and is fleet.ErrBroke.
	Inspect(ctx context.Context, files []fleet.ModelFile) (name string, info loader.Info, err error)
	// Plan returns what a model is made of where Ollama has this version.
	Plan(ctx context.Context, name string, r loader.Request) (loader.Recipe, error)
}

// Workers do what has to be done on hosts.
type Workers interface {
	// Work has a host do a job and tells how far it is, until it is done or ctx ends. A
	// host that can't be reached, or breaks off, is fault.Unavailable; one on which
	// something broke down at the job is fleet.ErrBroke.
	Work(ctx context.Context, to fleet.Target, job work.Job, told func(work.Event)) (work.Result, error)
}

// Options are what a [Service] is made of. All fields are required.
type Options struct {
	Store      fleet.CatalogueStore
	View       View
	Storages   Storages
	Loaders    Loaders
	Workers    Workers
	Operations *operations.Operations
	// PeerTickets let hosts get models from each other.
	PeerTickets *PeerTickets
	// CacheBytes is how many bytes of models each host keeps; 0 is no limit.
	CacheBytes func() int64
	// LastUses returns when each model was last asked for on each host.
	LastUses func(ctx context.Context) ([]fleet.LastUse, error)
	// Uses returns when the model of a digest was last at work, by the ids of the hosts, as
	// far as that was so recent that LastUses may not have it.
	Uses func(digest string) map[string]time.Time
	// Rate is how many bytes a second a host may fetch; 0 is no limit.
	Rate func() int64
	Log  hclog.Logger
	Now  func() time.Time
}

// Service has the catalogue. Its methods may be called concurrently.
type Service struct {
	Options
	waking   chan struct{} // of one place: there may be something to do
	measured fit.Measurements
	lineage  lineage
	looks    *semaphore.Weighted // of loaders at files, atOnce at a time
	seed     maphash.Seed        // of the prints of hosts

	changing sync.Mutex // held from reading something to its change being stored
	mu       sync.RWMutex
	models   map[string]fleet.StoredModel // by canonical name
	said     map[string]loader.Info       // what loaders said of them that is shown
	aliases  fleet.Aliases
	based    map[string]string // what those are based on that are, by canonical names
	placed   map[place]fleet.Placement
	hosted   map[string]*hosted // by the host's id
	surveyed time.Time          // when all hosts were looked at anew
	arrivals *Arrivals          // that wait to be taken; nil where there are none
	taking   map[string]*taking // by canonical name
	runs     map[place]*run     // what is being done, or has failed, on hosts
	changed  chan struct{}      // closed and replaced at each change of the catalogue

	overdue   map[string]*run // finding out the digests of models that have none of a layer, by canonical name
	overdoing bool            // it is done for one of them
}

// place is an instance and a model there.
type place struct {
	model, hostID, instance string
}

func placeOf(p *fleet.Placement) place {
	return place{fleet.CanonicalModel(p.Model), p.HostID, p.Instance}
}

// New returns a service without models; see [Service.Load].
func New(o Options) *Service {
	return &Service{
		Options: o, waking: make(chan struct{}, 1), looks: semaphore.NewWeighted(atOnce), seed: maphash.MakeSeed(), changed: make(chan struct{}),
		models: map[string]fleet.StoredModel{}, said: map[string]loader.Info{}, based: map[string]string{}, placed: map[place]fleet.Placement{}, hosted: map[string]*hosted{}, taking: map[string]*taking{}, runs: map[place]*run{}, overdue: map[string]*run{},
	}
}

// Load reads what was stored.
func (s *Service) Load(ctx context.Context) error {
	models, err := s.Store.StoredModels(ctx)
	if err != nil {
		return err
	}
	placements, err := s.Store.Placements(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range models {
		s.know(m)
	}
	for _, p := range placements {
		s.note(p)
	}
	s.prefer()
	return nil
}

// know takes over a model as it is stored. s.mu is held.
func (s *Service) know(m fleet.StoredModel) {
	var said loader.Info
	if len(m.Info) > 0 && json.Unmarshal(m.Info, &said) != nil {
		said = loader.Info{} // nothing of it is shown
	}
	name := fleet.CanonicalModel(m.Name)
	s.noteOverdue(name, len(undigested(&said, m.Files)) > 0)
	said.Geometry, said.Layers = nil, nil // which are large, and read where they are needed
	s.models[name], s.said[name] = m, said
	delete(s.based, name)
	if base := basedOn(&m); base != "" {
		s.based[name] = base
	}
}

// prefer has calls go to what the catalogue has, by the names that it says. s.mu is held.
func (s *Service) prefer() {
	digests := make(map[string]string, len(s.models))
	for name, m := range s.models {
		if m.Digest != "" {
			digests[name] = m.Digest
		}
	}
	s.aliases = aliasesOf(s.models)
	s.View.Prefer(digests, s.aliases)
}

// Changed returns a channel that is closed at the next change of the catalogue.
func (s *Service) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// announce tells of a change, which may be a reason to do something. s.mu is held.
func (s *Service) announce() {
	s.tell()
	s.wake()
}

// tell tells of a change. s.mu is held.
func (s *Service) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Service) wake() {
	select {
	case s.waking <- struct{}{}:
	default:
	}
}

// Stored returns a model of the catalogue by its name.
func (s *Service) Stored(name string) (fleet.StoredModel, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m, ok := s.models[fleet.CanonicalModel(name)]; ok {
		return m, nil
	}
	return fleet.StoredModel{}, fault.New(fault.NotFound, "the catalogue has no model %q", name).On(fault.Caller)
}

// meant returns a model of the catalogue with which somebody wants something done, who may
// have uploaded it a moment ago.
func (s *Service) meant(name string) (fleet.StoredModel, error) {
	m, err := s.Stored(name)
	if err == nil {
		return m, nil
	}
	comes := func(o fleet.Operation) bool { return arriving(o) && fleet.SameModel(o.Model, name) }
	if slices.ContainsFunc(s.Operations.UnderWay(), comes) {
		return m, fault.Wrap(fault.Conflict, err, "the model %q is still on its way into the catalogue: it has to be stored first", name).On(fault.Caller)
	}
	return m, err
}

// change changes a model of the catalogue, and stores it.
func (s *Service) change(ctx context.Context, name string, f func(*fleet.StoredModel) error) (fleet.StoredModel, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	m, err := s.meant(name)
	if err != nil {
		return m, err
	}
	if err := f(&m); err != nil {
		return m, err
	}
	return m, s.save(ctx, m)
}

// save stores models, all or none. s.changing is held.
func (s *Service) save(ctx context.Context, models ...fleet.StoredModel) error {
	for i := range models {
		models[i].ChangedAt = s.Now().UTC()
	}
	if err := s.Store.SaveModel(ctx, models...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range models {
		name := fleet.CanonicalModel(m.Name)
		before := s.models[name]
		s.know(m)
		s.touchAll(name, forAll(&m) && !forAll(&before))
	}
	s.prefer()
	s.announce()
	return nil
}

// place stores placements.
func (s *Service) place(ctx context.Context, list []fleet.Placement) error {
	if len(list) == 0 {
		return nil
	}
	if err := s.Store.Place(ctx, list); err != nil {
		return err
	}
	hosts := byID(s.View.Hosts())
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		s.note(p)
		r := s.runs[placeOf(&p)]
		if r == nil {
			continue
		}
		r.reset()
		if !p.Wanted && r.stop != nil {
			r.stop(operations.ErrCancelled)
		}
	}
	s.queue(list, hosts)
	s.announce()
	return nil
}

// unplace forgets placements.
func (s *Service) unplace(ctx context.Context, list ...fleet.Placement) error {
	if err := s.Store.Unplace(ctx, list); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		s.strike(placeOf(&p))
	}
	s.announce()
	return nil
}
