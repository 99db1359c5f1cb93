package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// worker is a host's, which tells what it is to do.
type worker chan work.Job

// Work implements [models.Workers].
func (w worker) Work(ctx context.Context, _ fleet.Target, job work.Job, _ func(work.Event)) (work.Result, error) {
	select {
	case w <- job:
	case <-ctx.Done():
	}
	return work.Result{}, context.Cause(ctx)
}

// catalogue returns the models of a store, as after a start of the program.
func (s *served) catalogue(view hosts, workers models.Workers) *models.Service {
	s.t.Helper()
	log := hclog.NewNullLogger()
	m := models.New(models.Options{
		Store: s.state, View: view, Loaders: newModelLoaders(s.plugins.manager, s.Service, log), Workers: workers,
		Storages:   &modelStorages{Service: s.Service, programs: programs{s.plugins.manager}, hosts: view, tickets: models.NewTickets(func(string) bool { return true }, time.Now), log: log},
		Operations: operations.New(s.state, time.Now, log), PeerTickets: models.NewPeerTickets(time.Now),
		CacheBytes: func() int64 { return 0 }, LastUses: func(context.Context) ([]fleet.LastUse, error) { return nil, nil },
		Rate: func() int64 { return 0 }, Log: log, Now: time.Now,
	})
	if err := m.Load(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// forget has the store have a model as a control plane stored it that did not find out the
// digests of layers.
func (s *served) forget(name string) {
	s.t.Helper()
	list, err := s.state.StoredModels(s.t.Context())
	i := slices.IndexFunc(list, func(m fleet.StoredModel) bool { return fleet.SameModel(m.Name, name) })
	if err != nil || i < 0 {
		s.t.Fatalf("%+v, %v", list, err)
	}
	info := s.info(name)
	info.Layers[0].SHA256 = ""
	if list[i].Info, err = json.Marshal(info); err != nil {
		s.t.Fatal(err)
	}
	if err := s.state.SaveModel(s.t.Context(), list[i]); err != nil {
		s.t.Fatal(err)
	}
}

// info returns what is stored of what a loader said of a model.
func (s *served) info(name string) (info loader.Info) {
	s.t.Helper()
	list, err := s.state.StoredModels(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range list {
		if fleet.SameModel(m.Name, name) {
			if err := json.Unmarshal(m.Info, &info); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return info
}

// TestTheDigestOfAModelOfBefore has a real database, storage and loader: a model in three
// files that lacks its digest as one has it a while after the start, and a host is to get
// one blob.
func TestTheDigestOfAModelOfBefore(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put(agingPrefix + "1.0.0")
	s.put(fragileFile)
	s.await(plugins.Ready, "1.0.0", "")
	if _, err := s.Create(t.Context(), storages.Spec{Name: "a", Plugin: "aging", Config: []byte(`{}`)}, storages.Online); err != nil {
		t.Fatal(err)
	}
	p := parcel(t, "split", "one")
	p.Files[0].Path = "m0"
	for i, content := range []string{"two", "three"} {
		f := parcel(t, "", content).Files[0]
		f.Path = []string{"m1", "m2"}[i]
		p.Files = append(p.Files, f)
	}
	if err := s.catalogue(nil, nil).Take(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("onetwothree"))
	want := hex.EncodeToString(sum[:])
	if got := s.info("split").Layers[0].SHA256; got != want {
		t.Fatalf("when it is stored its digest is %q, want %q", got, want)
	}
	s.forget("split")

	jobs := make(worker)
	catalogue := s.catalogue(hosts{{
		Host: fleet.Host{ID: "1", Name: "h"}, State: fleet.HostOnline,
		Instances: []fleet.Instance{{Name: "default", State: fleet.InstanceReady, Version: "0.17.4", ModelsKnown: true}},
	}}, jobs)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- catalogue.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	timeout := time.After(30 * time.Second)
	for {
		changed := catalogue.Changed()
		if got := s.info("split").Layers[0].SHA256; got == want {
			break
		} else if got != "" {
			t.Fatalf("its digest is %q, want %q", got, want)
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatal("its digest is not found out")
		}
	}
	if _, err := catalogue.Want(t.Context(), "split", models.Where{Hosts: []string{"h"}}); err != nil {
		t.Fatal(err)
	}
	if job := <-jobs; !slices.Equal(job.Assembled(), []string{want}) || len(job.Sources) != 3 {
		t.Errorf("the host is to do %+v", job)
	}
}
