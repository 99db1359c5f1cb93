package controlplane

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// catalogue is the models, with what they are made of.
type catalogue struct {
	*models.Service

	operations *operations.Operations
	tickets    *models.Tickets
	loaders    *modelLoaders
}

// catalogue returns the models, with what was stored of them.
func (c *ControlPlane) catalogue(
	ctx context.Context, db *sqlite.DB, registry *fleet.Registry, workers models.Workers, kept *storages.Service, serving *plugins.Manager, manager *settings.Manager,
	peerTickets *models.PeerTickets, uses func(digest string) map[string]time.Time,
) (*catalogue, error) {
	log := c.log.Named("models")
	jobs := operations.New(db, c.now, log)
	if err := jobs.Load(ctx); err != nil {
		return nil, fmt.Errorf("load operations: %w", err)
	}
	tickets := models.NewTickets(registry.Has, c.now)
	loaders := newModelLoaders(serving, kept, log)
	s := models.New(models.Options{
		Store: db, View: registry, Storages: &modelStorages{Service: kept, programs: programs{serving}, hosts: registry, tickets: tickets, log: log},
		Loaders: loaders, Workers: workers, Operations: jobs, PeerTickets: peerTickets,
		CacheBytes: func() int64 { return int64(manager.Current().Models.CacheSize) },
		LastUses:   func(ctx context.Context) ([]fleet.LastUse, error) { return db.LastUses(ctx, c.now().Add(-exactUses)) },
		Uses:       uses,
		Rate:       func() int64 { return int64(manager.Current().Models.FetchRate) }, Log: log, Now: c.now,
	})
	if err := s.Load(ctx); err != nil {
		return nil, fmt.Errorf("load models: %w", err)
	}
	return &catalogue{Service: s, operations: jobs, tickets: tickets, loaders: loaders}, nil
}

// exactUses is how far back it is of interest when exactly a model was used.
const exactUses = 24 * time.Hour

// modelStorages keeps the files of models in storages.
type modelStorages struct {
	*storages.Service

	programs programs
	hosts    models.View
	tickets  *models.Tickets
	log      hclog.Logger
}

// Put implements [models.Storages].
func (s *modelStorages) Put(ctx context.Context, name, key, localPath, sha256 string) (string, error) {
	return s.Keep(ctx, name, key, localPath, sha256)
}

// Open implements [models.Storages].
func (s *modelStorages) Open(ctx context.Context, name, key string, part storage.Range) (io.ReadCloser, error) {
	return s.Read(ctx, name, key, part)
}

// presignTTL is how long an address of a service's is good. It is renewed with each try.
const presignTTL = 12 * time.Hour

// Source implements [models.Storages]: from the service itself where it has an address
// for that, else by its plugin where hosts may run it, else from here.
func (s *modelStorages) Source(ctx context.Context, to fleet.Target, f fleet.ModelFile) (work.Source, error) {
	from := work.Source{SizeBytes: f.SizeBytes, SHA256: f.SHA256}
	var err error
	if from.Path, err = s.LocalPath(ctx, f.Storage, f.Key); err != nil {
		return from, err
	}
	signed, err := s.Presign(ctx, f.Storage, f.Key, presignTTL)
	if err != nil {
		s.log.Warn("a file goes through here, since its storage gave no address for it", "storage", f.Storage, "error", err)
	}
	if signed != "" {
		from.URLs = append(from.URLs, signed)
	}
	if from.Plugin = s.plugin(to, f); from.Plugin == nil {
		from.URLs = append(from.URLs, s.tickets.File(to.HostID, f.Storage, f.Key))
	}
	return from, nil
}

// plugin returns what a host needs to read a file by the plugin of its storage; nil where
// it may not, or can't run it.
func (s *modelStorages) plugin(to fleet.Target, f fleet.ModelFile) *work.Plugin {
	direct, ok := s.Direct(f.Storage)
	if !ok || !slices.ContainsFunc(s.hosts.Hosts(), func(h fleet.HostView) bool {
		return h.ID == to.HostID && h.Facts.OS == runtime.GOOS && h.Facts.Arch == runtime.GOARCH
	}) {
		return nil
	}
	program, size := s.programs.of(plugins.Storage(direct.Plugin))
	if program == "" {
		return nil
	}
	return &work.Plugin{
		Name: direct.Plugin, SHA256: program, SizeBytes: size, URLs: []string{s.tickets.Program(to.HostID, program)},
		Config: direct.Config.JSON, ConfigVersion: direct.Config.Schema, Secrets: direct.Config.Secrets, Key: f.Key,
	}
}
