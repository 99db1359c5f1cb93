package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// shelf is every store that the service has, in memory. What is in it outlives a service,
// as after a restart.
type shelf struct {
	mu         sync.Mutex
	models     map[string]fleet.StoredModel
	placements map[place]fleet.Placement
	operations map[string]fleet.Operation
	files      map[string]string // sha256 by storage and key
	contents   map[string]string // of some of them
	failing    error             // of storages
	away       bool              // as storages say of themselves
	opened     []string          // keys
	opening    func(key string)  // before a file is read; nil is nothing
	// touched, where it isn't nil, is called when a file has been stored, and before one is
	// deleted. What it returns is what the storage says of that.
	touched func(key string) error
}

func newShelf() *shelf {
	return &shelf{
		models: map[string]fleet.StoredModel{}, placements: map[place]fleet.Placement{},
		operations: map[string]fleet.Operation{}, files: map[string]string{}, contents: map[string]string{},
	}
}

func (s *shelf) SaveModel(_ context.Context, models ...fleet.StoredModel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range models {
		s.models[fleet.CanonicalModel(m.Name)] = m
	}
	return nil
}

func (s *shelf) StoredModels(context.Context) (list []fleet.StoredModel, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.models {
		list = append(list, m)
	}
	return list, nil
}

func (s *shelf) RemoveModel(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.models, fleet.CanonicalModel(name))
	return nil
}

func (s *shelf) Place(_ context.Context, list []fleet.Placement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		s.placements[placeOf(&p)] = p
	}
	return nil
}

func (s *shelf) Placements(context.Context) (list []fleet.Placement, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.placements {
		list = append(list, p)
	}
	return list, nil
}

func (s *shelf) Unplace(_ context.Context, list []fleet.Placement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range list {
		delete(s.placements, placeOf(&p))
	}
	return nil
}

func (s *shelf) SaveOperations(_ context.Context, operations ...fleet.Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range operations {
		s.operations[o.ID] = o
	}
	return nil
}

func (s *shelf) Operations(context.Context, int) (list []fleet.Operation, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.operations {
		list = append(list, o)
	}
	return list, nil
}

func (s *shelf) PruneOperations(context.Context, time.Time) error { return nil }

func (s *shelf) Put(_ context.Context, storage, key, localPath, sha256 string) (string, error) {
	body, err := os.ReadFile(localPath)
	if err != nil {
		return "", err
	}
	if digestOf(body) != sha256 {
		return "", fault.New(fault.Corrupt, "the file %q has another sha256 than %q", localPath, sha256)
	}
	if storage == "" {
		storage = "default"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return storage, s.failing
	}
	s.files[storage+"/"+key] = digestOf(body)
	return storage, s.touch(key)
}

// touch calls touched. s.mu is held, but not meanwhile.
func (s *shelf) touch(key string) error {
	touched := s.touched
	if touched == nil {
		return nil
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	return touched(key)
}

func (s *shelf) Open(_ context.Context, name, key string, part storage.Range) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, key)
	if opening := s.opening; opening != nil {
		s.mu.Unlock()
		opening(key)
		s.mu.Lock()
	}
	if s.failing != nil {
		return nil, s.failing
	}
	content, ok := s.contents[name+"/"+key]
	if !ok {
		return nil, fault.New(fault.NotFound, "there is no file %q", key)
	}
	if part != (storage.Range{}) {
		content = content[part.OffsetBytes:][:part.LengthBytes]
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func (s *shelf) Ready(string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.away
}

func (s *shelf) Delete(_ context.Context, storage, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return s.failing
	}
	if err := s.touch(key); err != nil {
		return err
	}
	delete(s.files, storage+"/"+key)
	return nil
}

func (s *shelf) onTouch(touched func(key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = touched
}

func (s *shelf) Source(_ context.Context, _ fleet.Target, f fleet.ModelFile) (work.Source, error) {
	return work.Source{SizeBytes: f.SizeBytes, SHA256: f.SHA256, URLs: []string{"/files/" + f.Key}}, nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

func (s *shelf) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for key := range s.files {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// oracle is a loader that takes any file but bad.gguf, and those whose names begin with
// "split-" without their first two bytes, as one.
type oracle struct{}

func (oracle) Inspect(_ context.Context, files []fleet.ModelFile) (string, loader.Info, error) {
	if files[0].Path == "bad.gguf" {
		return "", loader.Info{}, fault.New(fault.Corrupt, "the file is no GGUF")
	}
	if strings.HasPrefix(files[0].Path, "split-") {
		layer := loader.Layer{Role: loader.RoleModel, Parts: []loader.Part{{Inline: []byte("HEAD"), LengthBytes: 4}}, SizeBytes: 4}
		for _, f := range files {
			layer.Parts = append(layer.Parts, loader.Part{File: f.Path, OffsetBytes: 2, LengthBytes: f.SizeBytes - 2})
			layer.SizeBytes += f.SizeBytes - 2
		}
		return "gguf", loader.Info{Kind: loader.KindModel, Format: "gguf", Architecture: "llama", Layers: []loader.Layer{layer}}, nil
	}
	layer := loader.Layer{Role: loader.RoleModel, Parts: []loader.Part{{File: files[0].Path, LengthBytes: files[0].SizeBytes}}, SizeBytes: files[0].SizeBytes, SHA256: files[0].SHA256}
	return "gguf", loader.Info{Kind: loader.KindModel, Format: "gguf", Architecture: "llama", Layers: []loader.Layer{layer}}, nil
}

func (oracle) Plan(_ context.Context, _ string, r loader.Request) (loader.Recipe, error) {
	return loader.Recipe{Layers: r.Info.Layers, From: r.Options.From, Quantize: r.Options.Quantize, Requires: r.Options.Requires}, nil
}

// hosts are what is known of hosts, and what is done on them.
type hosts struct {
	mu      sync.Mutex
	views   map[string]*fleet.HostView
	changed chan struct{}
	work    func(to fleet.Target, job work.Job) error   // nil is that all goes well
	makes   func(to fleet.Target, digest string) string // what a host makes of it otherwise; nil is the same everywhere
	jobs    []string
	// late, where it isn't nil, gets what has hosts tell of what was done.
	late chan<- func()

	preferred map[string]string
	aliases   fleet.Aliases
}

func newHosts(names ...string) *hosts {
	h := &hosts{views: map[string]*fleet.HostView{}, changed: make(chan struct{})}
	for _, name := range names {
		h.views[name] = &fleet.HostView{
			Host: fleet.Host{ID: "id-" + name, Name: name}, State: fleet.HostOnline, ConnectedAt: noon(),
			Instances: []fleet.Instance{{Name: "default", State: fleet.InstanceReady, Version: "0.17.4", ModelsKnown: true}},
		}
	}
	return h
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// Hosts implements View. As the registry's, what it returns is replaced and never changed.
func (h *hosts) Hosts() (list []fleet.HostView) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.views {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b fleet.HostView) int { return cmpName(a.Name, b.Name) })
	return list
}

func cmpName(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func (h *hosts) Prefer(digests map[string]string, aliases fleet.Aliases) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.preferred, h.aliases = digests, aliases
}

func (h *hosts) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// set changes a host.
func (h *hosts) set(name string, f func(*fleet.HostView)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := *h.views[name]
	one.Instances = slices.Clone(one.Instances)
	for i := range one.Instances {
		one.Instances[i].Models = slices.Clone(one.Instances[i].Models)
	}
	f(&one)
	h.views[name] = &one
	close(h.changed)
	h.changed = make(chan struct{})
}

// Work makes and removes models on hosts, as workers do.
func (h *hosts) Work(ctx context.Context, to fleet.Target, job work.Job, told func(work.Event)) (work.Result, error) {
	h.mu.Lock()
	does, makes, late := h.work, h.makes, h.late
	h.jobs = append(h.jobs, fmt.Sprintf("%s %s on %s", job.Kind, job.Model, to.Host))
	h.mu.Unlock()
	told(work.Event{Phase: work.Fetching, DoneBytes: 1, TotalBytes: 2})
	if does != nil {
		if err := does(to, job); err != nil {
			return work.Result{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return work.Result{}, err
	}
	digest := ""
	if job.Kind == work.Load {
		digest = "digest of " + job.Recipe.Layers[0].SHA256[:8]
		if makes != nil {
			digest = makes(to, digest)
		}
	}
	change := func(v *fleet.HostView) {
		in := &v.Instances[0]
		if job.Kind == work.Collect {
			return
		}
		in.Models = slices.DeleteFunc(in.Models, func(m fleet.HostModel) bool { return fleet.SameModel(m.Name, job.Model) })
		if job.Kind == work.Load {
			in.Models = append(in.Models, fleet.HostModel{Name: job.Model, Digest: digest, SizeBytes: job.Recipe.Layers[0].SizeBytes})
		}
	}
	if late == nil {
		h.set(to.Host, change)
	} else {
		late <- func() { h.set(to.Host, change) }
	}
	return work.Result{Digest: digest}, nil
}

func (h *hosts) done() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.jobs)
}

// bench is a service that runs.
type bench struct {
	*Service

	t      *testing.T
	shelf  *shelf
	hosts  *hosts
	ops    *operations.Operations
	clock  *clock
	cache  atomic.Int64
	uses   []fleet.LastUse
	recent []fleet.LastUse // of which uses don't tell yet
	stop   func()
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// atWork are the uses of a model that nothing else tells of yet.
func (b *bench) atWork(digest string) map[string]time.Time {
	uses := map[string]time.Time{}
	for _, u := range b.recent {
		if m := b.model(u.Model); m.Digest == digest {
			uses[u.HostID] = u.At
		}
	}
	return uses
}

func newBench(t *testing.T, shelf *shelf, hosts *hosts) *bench {
	t.Helper()
	b := &bench{t: t, shelf: shelf, hosts: hosts, clock: &clock{at: noon()}}
	b.ops = operations.New(shelf, b.clock.now, hclog.NewNullLogger())
	if err := b.ops.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Service = New(Options{
		Store: shelf, View: hosts, Storages: shelf, Loaders: oracle{}, Workers: hosts, Operations: b.ops, PeerTickets: NewPeerTickets(b.clock.now),
		CacheBytes: b.cache.Load, LastUses: func(context.Context) ([]fleet.LastUse, error) { return b.uses, nil },
		Uses: b.atWork,
		Rate: func() int64 { return 0 }, Log: hclog.NewNullLogger(), Now: b.clock.now,
	})
	if err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(b.Run(ctx), b.ops.Run(ctx)) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// parcel is a model of one file with this content.
func (b *bench) parcel(name, file, content string) Parcel {
	b.t.Helper()
	local := filepath.Join(b.t.TempDir(), "staged")
	if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return Parcel{Name: name, Files: []ParcelFile{{Path: file, Local: local, SizeBytes: int64(len(content)), SHA256: digestOf([]byte(content))}}}
}

func (b *bench) take(name, content string) {
	b.t.Helper()
	if err := b.Take(b.t.Context(), b.parcel(name, "m.gguf", content)); err != nil {
		b.t.Fatal(err)
	}
}

// model returns a model as it is listed, with a status of "" where it isn't.
func (b *bench) model(name string) fleet.Model {
	for _, m := range b.Models() {
		if fleet.SameModel(m.Name, name) {
			return m
		}
	}
	return fleet.Model{}
}

// await waits until something is so.
func (b *bench) await(what string, is func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	version := uint64(0)
	for {
		hosts, catalogue := b.hosts.Changed(), b.Changed()
		var operation <-chan struct{}
		_, version, operation = b.ops.Since(version)
		if is() {
			return
		}
		select {
		case <-hosts:
		case <-catalogue:
		case <-operation:
		case <-deadline.C:
			b.t.Fatalf("not so after 20 s: %s; jobs %v; operations %+v", what, b.hosts.done(), b.ops.List())
		}
	}
}

func (b *bench) awaitOn(model string, hosts ...string) {
	b.t.Helper()
	b.await(fmt.Sprintf("%s on %v", model, hosts), func() bool {
		var on []string
		for _, r := range b.model(model).Residencies {
			on = append(on, r.Host)
		}
		slices.Sort(on)
		return slices.Equal(on, hosts)
	})
}

// looking reports whether a host is looking for what no model refers to.
func (b *bench) looking(hostID string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.runs[place{hostID: hostID, instance: "default"}].under
}
