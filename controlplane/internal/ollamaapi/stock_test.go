package ollamaapi

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// stock stands in for the catalogue of a herd: who is to get a model from it gets it when
// the test says so.
type stock struct {
	h          *herd
	operations *operations.Operations
	blobs      *uploads.Blobs
	best       string // the host that placement chooses

	mu      sync.Mutex
	models  map[string]fleet.StoredModel
	wanted  map[string][]string
	parcels []models.Parcel
	refuses error         // what making something of a parcel ends with
	changed chan struct{} // closed and replaced at each change
	begun   chan *operations.Job
}

func newStock(h *herd) *stock {
	h.t.Helper()
	s := &stock{
		h: h, best: "beta", models: map[string]fleet.StoredModel{}, wanted: map[string][]string{},
		changed: make(chan struct{}), begun: make(chan *operations.Job, 8),
		operations: operations.New(nobodyStores{}, time.Now, hclog.NewNullLogger()),
		blobs: uploads.NewBlobs(uploads.BlobOptions{
			Folder: filepath.Join(h.t.TempDir(), "blobs"), MaxBytes: func() int64 { return 1000 }, KeepFor: time.Hour,
			Log: hclog.NewNullLogger(), Now: time.Now,
		}),
	}
	if err := s.blobs.Load(); err != nil {
		h.t.Fatal(err)
	}
	return s
}

// nobodyStores is a store of operations that keeps nothing.
type nobodyStores struct{}

func (nobodyStores) SaveOperations(context.Context, ...fleet.Operation) error { return nil }

func (nobodyStores) Operations(context.Context, int) ([]fleet.Operation, error) { return nil, nil }

func (nobodyStores) PruneOperations(context.Context, time.Time) error { return nil }

func (s *stock) Stored(name string) (fleet.StoredModel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.models[fleet.CanonicalModel(name)]; ok {
		return m, nil
	}
	return fleet.StoredModel{}, fault.New(fault.NotFound, "the catalogue has no model %q", name)
}

func (s *stock) set(m fleet.StoredModel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models[fleet.CanonicalModel(m.Name)] = m
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stock) Choose(string, models.Where) ([]fleet.HostView, error) {
	host, err := s.h.registry.Find(s.best)
	return []fleet.HostView{host}, err
}

func (s *stock) WantedOn(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted[fleet.CanonicalModel(name)]
}

// LetGo has hosts delete a model at once, before anybody asks them to.
func (s *stock) LetGo(_ context.Context, name string, hostIDs ...string) error {
	s.mu.Lock()
	wanted := s.wanted[fleet.CanonicalModel(name)]
	s.wanted[fleet.CanonicalModel(name)] = slices.DeleteFunc(slices.Clone(wanted), func(id string) bool {
		return len(hostIDs) == 0 || slices.Contains(hostIDs, id)
	})
	s.mu.Unlock()
	for _, id := range wanted {
		if host := strings.TrimPrefix(id, "h_"); len(hostIDs) == 0 || slices.Contains(hostIDs, id) {
			s.h.change(host, "/api/delete", "", "", name)
			s.h.report(host)
		}
	}
	return nil
}

func (s *stock) Want(_ context.Context, name string, w models.Where) (hosts []fleet.HostView, err error) {
	if len(w.Hosts) == 0 {
		w.Hosts = []string{s.best}
	}
	for _, ref := range w.Hosts {
		host, err := s.h.registry.Find(ref)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
		job := s.operations.Begin(operations.What{Kind: fleet.DownloadOperation, Model: fleet.ShownModel(name), HostID: host.ID, Host: host.Name})
		job.Start(context.Background())
		s.begun <- job
	}
	return hosts, nil
}

func (s *stock) Known(_, sha256 string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.models {
		for _, f := range m.Files {
			if f.SHA256 == sha256 {
				return f.SizeBytes, nil
			}
		}
	}
	return 0, fault.New(fault.NotFound, "no model has a file of this digest")
}

func (s *stock) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *stock) Check(p models.Parcel) error {
	if p.Quantize == "forbidden" {
		return fault.New(fault.Forbidden, "nothing is quantised here")
	}
	return nil
}

// Make stores a parcel at once, and has the host that is best get it.
func (s *stock) Make(p models.Parcel) error {
	store := s.operations.Begin(operations.What{Kind: fleet.StoreOperation, Model: fleet.ShownModel(p.Name)})
	m := fleet.StoredModel{Name: fleet.ShownModel(p.Name)}
	for i, f := range p.Files {
		m.Files = append(m.Files, fleet.ModelFile{Path: f.Path, SizeBytes: f.SizeBytes, SHA256: f.SHA256})
		if f.Local != "" {
			content, err := os.ReadFile(f.Local)
			if err != nil {
				return err
			}
			p.Files[i].Local = string(content)
			if err := os.Remove(f.Local); err != nil {
				return err
			}
		}
	}
	s.mu.Lock()
	s.parcels = append(s.parcels, p)
	refuses := s.refuses
	s.mu.Unlock()
	store.Progress("storing", 0, 0, "")
	if refuses == nil {
		s.set(m)
		if _, err := s.Want(context.Background(), p.Name, models.Where{Hosts: p.Hosts}); err != nil {
			return err
		}
	}
	store.End(refuses)
	return nil
}

// arrive has a host have a model of the catalogue.
func (s *stock) arrive(host, name, digest string) {
	m, err := s.Stored(name)
	if err != nil {
		s.h.t.Error(err)
	}
	m.Digest = digest
	s.set(m)
	s.h.put(host, name, digest)
}

// put gives a host a model.
func (h *herd) put(host, name, digest string) {
	h.mu.Lock()
	h.models[host][name] = digest
	h.mu.Unlock()
	h.report(host)
}

// tags is a host's own list.
func (h *herd) tags(host string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list modelList
	for _, name := range slices.Sorted(maps.Keys(h.models[host])) {
		list.Models = append(list.Models, listedModel{Name: name, Digest: h.models[host][name]})
	}
	text, err := json.Marshal(list)
	if err != nil {
		h.t.Error(err)
	}
	return string(text)
}
