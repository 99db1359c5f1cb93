package controlplane

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

const (
	// uploadFolder and arrivalFolder are where in the data directory files are while they
	// come, and until they are stored. All are on one file system: what has come is only
	// given another name.
	uploadFolder  = "uploads"
	arrivalFolder = "arrivals"
	// blobFolder is where files are that came by Ollama's way, until somebody says what
	// becomes of them.
	blobFolder = "blobs"
	// reserveBytes of the disk are left free by uploads: the state is on it as well.
	reserveBytes = 1 << 30
	// keepUploads is for how long an upload is kept to which nothing comes, and a blob that
	// nobody asks for.
	keepUploads = 24 * time.Hour
)

// incoming is what takes files in, and what has come until it is stored.
type incoming struct {
	uploads  *uploads.Service
	blobs    *uploads.Blobs
	arrivals *models.Arrivals
	maker    *modelMaker
}

// incoming returns what takes files in, with what came before.
func (c *ControlPlane) incoming(
	ctx context.Context, store fleet.UploadStore, known *catalogue, registry *fleet.Registry, kept *storages.Service, manager *settings.Manager,
) (*incoming, error) {
	dir := c.loaded.Config.DataDir
	arrivals := models.NewArrivals(known.Service, filepath.Join(dir, arrivalFolder))
	sink := &modelSink{known: known, arrivals: arrivals, registry: registry, storages: kept, settings: manager, jobs: map[string]*receiving{}}
	s := uploads.New(uploads.Options{
		Store: store, Sink: sink, Importer: sink, Folder: filepath.Join(dir, uploadFolder), ReserveBytes: reserveBytes, KeepFor: keepUploads,
		MaxBytes: func() int64 { return maxModelSize(manager) },
		Log:      c.log.Named("uploads"), Now: c.now,
	})
	sink.end = s.Remove
	blobs := uploads.NewBlobs(uploads.BlobOptions{
		Folder: filepath.Join(dir, blobFolder), ReserveBytes: reserveBytes, KeepFor: keepUploads,
		MaxBytes: func() int64 { return maxModelSize(manager) },
		Log:      c.log.Named("blobs"), Now: c.now,
	})
	again, err := received(ctx, store)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Load(ctx), blobs.Load(), arrivals.Load(again)); err != nil {
		return nil, err
	}
	known.operations.Settle(fleet.UploadOperation, fleet.StoreOperation)
	return &incoming{uploads: s, blobs: blobs, arrivals: arrivals, maker: &modelMaker{sink}}, nil
}

// received returns the ids of the uploads that are whole and not handed on yet.
func received(ctx context.Context, store fleet.UploadStore) (map[string]bool, error) {
	list, err := store.Uploads(ctx)
	ids := map[string]bool{}
	for i := range list {
		ids[list[i].ID] = list[i].State == fleet.UploadReceived
	}
	return ids, err
}

func maxModelSize(m *settings.Manager) int64 { return int64(m.Current().Models.MaxModelSize) }

// modelSink makes models of what was uploaded.
type modelSink struct {
	known    *catalogue
	arrivals *models.Arrivals
	registry *fleet.Registry
	storages *storages.Service
	settings *settings.Manager
	end      func(ctx context.Context, id string) error // an upload

	mu   sync.Mutex
	jobs map[string]*receiving // uploads under way, by their ids
}

// receiving is the operation that an upload is.
type receiving struct {
	*operations.Job

	done context.CancelFunc
}

// Known implements [uploads.Sink].
func (s *modelSink) Known(_ context.Context, want fleet.Import, sha256 string) (int64, error) {
	return s.known.Known(want.Storage, sha256)
}

// Check implements [uploads.Sink].
func (s *modelSink) Check(ctx context.Context, want fleet.Import, files []fleet.UploadFile) error {
	if want.Name != "" && !fleet.ValidModel(want.Name) {
		return fault.New(fault.Invalid, "the field %q has to be a model's name, such as llama3.1:8b, not %q", "name", want.Name).On(fault.Caller)
	}
	if err := s.known.CheckName(want.Name); err != nil {
		return err
	}
	if want.Quantize != "" && !s.settings.Current().Models.QuantizationEnabled {
		return fault.New(fault.Forbidden, "the setting models.quantization_enabled keeps models from being quantised here").On(fault.Caller)
	}
	if err := loader.CheckQuantize(want.Quantize); err != nil {
		return fault.Wrap(fault.Invalid, err, "the field %q is wrong: %s", "quantize", fault.MessageOf(err)).On(fault.Caller)
	}
	from := s.registry.Aliases().Of(want.From)
	if from != "" && !slices.ContainsFunc(s.known.Models(), func(m fleet.Model) bool { return fleet.SameModel(m.Name, from) }) {
		return fault.New(fault.NotFound, "there is no model %q for it to be put on: neither in the catalogue nor on a host", want.From).On(fault.Caller)
	}
	if want.Storage != "" || len(files) > 0 {
		if err := s.storages.Writable(want.Storage); err != nil {
			return err
		}
	}
	for _, host := range want.Hosts {
		if _, err := s.registry.Find(host); err != nil && host != models.AllHosts {
			return err
		}
	}
	return s.known.loaders.foresee(ctx, files)
}

// Changed implements [uploads.Sink]: an upload is an operation.
func (s *modelSink) Changed(u fleet.Upload, receivedBytes int64) {
	if u.Name == "" {
		return
	}
	s.mu.Lock()
	job := s.jobs[u.ID]
	if job == nil {
		job = s.receive(u.ID, u.Name, max(0, u.SizeBytes))
		s.jobs[u.ID] = job
	}
	ended := u.State != fleet.UploadReceiving && u.State != fleet.UploadReceived
	if ended {
		delete(s.jobs, u.ID)
	}
	s.mu.Unlock()
	job.Progress("receiving", receivedBytes, max(0, u.SizeBytes), "")
	if !ended {
		return
	}
	job.done()
	switch u.State {
	case fleet.UploadFailed:
		job.End(fault.New(fault.Invalid, "%s", u.Problem).On(fault.Caller))
	case fleet.UploadRemoved:
		job.End(operations.ErrCancelled)
	default:
		job.End(nil)
	}
}

// Import implements [uploads.Importer].
func (s *modelSink) Import(ctx context.Context, _ string, want fleet.Import, source string) (fleet.Model, error) {
	at, err := s.storages.Locate(ctx, source, loader.MaxFiles)
	if err != nil {
		return fleet.Model{}, err
	}
	p := models.Parcel{Name: want.Name, Description: want.Description, Quantize: want.Quantize, Options: loader.Options{From: want.From}, Hosts: want.Hosts}
	for _, f := range at.Files {
		p.Files = append(p.Files, models.ParcelFile{
			Path: strings.TrimPrefix(f.Path, at.Prefix), SizeBytes: f.Size,
			Stored: &fleet.ModelFile{Storage: at.Storage, Key: f.Path, SizeBytes: f.Size, SHA256: f.SHA256},
		})
	}
	if err := s.arrivals.Accept(rand.Text(), p); err != nil {
		return fleet.Model{}, err
	}
	return s.model(want.Name)
}

// receive begins the operation of an upload. Whoever cancels it ends the upload.
func (s *modelSink) receive(id, model string, sizeBytes int64) *receiving {
	job := s.known.operations.Begin(operations.What{Kind: fleet.UploadOperation, Model: fleet.ShownModel(model), TotalBytes: sizeBytes})
	ctx, done := job.Start(context.Background())
	context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), operations.ErrCancelled) {
			// One that has just ended is not there any more, and needs no end.
			_ = s.end(context.WithoutCancel(ctx), id)
		}
	})
	return &receiving{Job: job, done: done}
}

// Take implements [uploads.Sink].
func (s *modelSink) Take(_ context.Context, f uploads.Finished) (fleet.Model, error) {
	p := models.Parcel{
		Name: f.Name, Description: f.Description, Storage: f.Storage, Quantize: f.Quantize, Options: loader.Options{From: f.From}, Hosts: f.Hosts,
	}
	for _, file := range f.Files {
		p.Files = append(p.Files, models.ParcelFile{Path: file.Name, Local: file.Path, SizeBytes: file.SizeBytes, SHA256: file.SHA256})
	}
	if err := s.arrivals.Accept(f.ID, p); err != nil {
		return fleet.Model{}, err
	}
	return s.model(f.Name)
}

// modelMaker makes models of blobs.
type modelMaker struct {
	sink *modelSink
}

// Check implements [ollamaapi.Maker].
func (m *modelMaker) Check(p models.Parcel) error {
	return m.sink.Check(context.Background(), fleet.Import{Name: p.Name, Quantize: p.Quantize, Hosts: p.Hosts}, nil)
}

// Make implements [ollamaapi.Maker].
func (m *modelMaker) Make(p models.Parcel) error { return m.sink.arrivals.Accept(rand.Text(), p) }

// model returns a model that has just come.
func (s *modelSink) model(name string) (fleet.Model, error) {
	for _, m := range s.known.Models() {
		if fleet.SameModel(m.Name, name) {
			return m, nil
		}
	}
	return fleet.Model{}, fault.New(fault.Internal, "the model %q is gone as soon as it has come", name)
}
