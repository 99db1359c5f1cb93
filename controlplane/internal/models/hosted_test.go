package models

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// still are hosts that have everything that they should have.
type still struct {
	*hosts

	list []fleet.HostView
}

func (s *still) Hosts() []fleet.HostView { return s.list }

// report has a host tell of its instance anew, without anything that is new.
func (s *still) report(i int) {
	s.list[i].Instances = append([]fleet.Instance{}, s.list[i].Instances...)
}

// newStill returns a service of hosts that each have the same models, as they should.
func newStill(tb testing.TB, hostCount, modelCount int) (*Service, *still) {
	tb.Helper()
	view, shelf := &still{hosts: newHosts()}, newShelf()
	ops := operations.New(shelf, noon, hclog.NewNullLogger())
	s := New(Options{
		Store: shelf, View: view, Storages: shelf, Loaders: oracle{}, Workers: view, Operations: ops,
		CacheBytes: func() int64 { return 1 << 50 }, LastUses: func(context.Context) ([]fleet.LastUse, error) { return nil, nil },
		Rate: func() int64 { return 0 }, Log: hclog.NewNullLogger(), Now: noon,
	})
	models := make([]fleet.HostModel, modelCount)
	for i := range models {
		name := fmt.Sprintf("model-%d:latest", i)
		digest := digestOf([]byte(name))
		models[i] = fleet.HostModel{Name: name, Digest: digest, SizeBytes: 1 << 30}
		s.know(fleet.StoredModel{
			Name: name, Digest: digest, Loader: "gguf", Info: []byte("{}"), Everywhere: i%2 == 0,
			Files: []fleet.ModelFile{{Path: "m.gguf", Storage: "disk", Key: name, SizeBytes: 1 << 30, SHA256: digest}},
		})
	}
	for i := range hostCount {
		id := fmt.Sprintf("host-%d", i)
		view.list = append(view.list, fleet.HostView{
			Host: fleet.Host{ID: id, Name: id}, State: fleet.HostOnline, ConnectedAt: noon(),
			Instances: []fleet.Instance{{Name: "default", State: fleet.InstanceReady, Version: "0.17.4", ModelsKnown: true, Models: models}},
		})
		for _, m := range models {
			s.note(fleet.Placement{Model: m.Name, HostID: id, Instance: "default", Wanted: true, Digest: m.Digest, Since: noon()})
		}
	}
	return s, view
}

// pass looks at the fleet once, and fails where there is something to do.
func pass(tb testing.TB, s *Service) {
	tb.Helper()
	var working sync.WaitGroup
	if next := s.reconcile(tb.Context(), &working); next != look {
		tb.Fatalf("there is something to do in %v", next)
	}
	working.Wait()
	if jobs := s.Workers.(*still).done(); len(jobs) > 0 {
		tb.Fatalf("what is done is %v", jobs)
	}
}

// TestWhatHasNotChangedIsNotLookedAt holds a pass to what the hosts take, whatever they
// have.
func TestWhatHasNotChangedIsNotLookedAt(t *testing.T) {
	const hosts = 20
	allocations := func(models int) float64 {
		s, _ := newStill(t, hosts, models)
		pass(t, s)
		return testing.AllocsPerRun(10, func() { pass(t, s) })
	}
	if few, many := allocations(1), allocations(200); many > few+10 {
		t.Errorf("a pass allocates %v times with a model on each host, and %v times with 200", few, many)
	}
}

// TestWhatHasChangedIsLookedAt changes one thing after the other of a fleet in which there
// was nothing to do.
func TestWhatHasChangedIsLookedAt(t *testing.T) {
	const name = "model-1:latest" // which is not for all hosts
	at := place{name, "host-1", "default"}
	for what, change := range map[string]func(*testing.T, *Service, *still){
		"the host has lost it": func(_ *testing.T, _ *Service, view *still) {
			view.report(1)
			view.list[1].Instances[0].Models = view.list[1].Instances[0].Models[:1]
		},
		"it is another model now": func(t *testing.T, s *Service, _ *still) {
			m, err := s.Stored(name)
			if err != nil {
				t.Fatal(err)
			}
			m.Digest = ""
			if err := s.save(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		},
		"it is not wanted any more": func(t *testing.T, s *Service, _ *still) {
			p := s.placed[at]
			p.Wanted = false
			if err := s.place(t.Context(), []fleet.Placement{p}); err != nil {
				t.Fatal(err)
			}
		},
		"its Ollama has another one": func(_ *testing.T, _ *Service, view *still) {
			view.report(1)
			in := &view.list[1].Instances[0]
			in.Models = slices.Clone(in.Models)
			in.Models[1].Digest = digestOf([]byte("another"))
		},
		"the host is back, and has lost it": func(t *testing.T, s *Service, view *still) {
			instances := view.list[1].Instances
			view.list[1].State, view.list[1].Instances = fleet.HostAway, nil
			pass(t, s)
			view.list[1].State, view.list[1].Instances = fleet.HostOnline, instances
			view.report(1)
			view.list[1].Instances[0].Models = nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, view := newStill(t, 3, 2)
			pass(t, s)
			view.report(1)
			pass(t, s)
			change(t, s, view)
			hosts := map[string]*fleet.HostView{}
			for i := range view.list {
				hosts[view.list[i].ID] = &view.list[i]
			}
			found := false
			tasks, _ := s.due(hosts)
			for _, task := range tasks {
				found = found || task.at.hostID == at.hostID
			}
			if !found {
				t.Errorf("there is nothing to do on the host, but %v", tasks)
			}
		})
	}
}

// TestWhatIsForAllIsPlacedOnce has hosts come and placements go.
func TestWhatIsForAllIsPlacedOnce(t *testing.T) {
	s, view := newStill(t, 2, 4)
	s.strike(place{"model-0:latest", "host-0", "default"})
	pass := func() int {
		t.Helper()
		if err := s.spread(t.Context(), view.list); err != nil {
			t.Fatal(err)
		}
		return len(s.placed)
	}
	if n := pass(); n != 8 {
		t.Fatalf("%d placements", n)
	}
	joined := view.list[0]
	joined.ID, joined.Name, joined.Pending = "host-2", "host-2", true
	view.list = append(view.list, joined)
	if n := pass(); n != 8 {
		t.Errorf("a host that waits to be approved has %d placements", n-8)
	}
	view.list[2].Pending = false
	if n := pass(); n != 10 { // two of four are for all
		t.Errorf("a host that joined has %d placements", n-8)
	}
	if err := s.unplace(t.Context(), s.placed[place{"model-2:latest", "host-2", "default"}]); err != nil {
		t.Fatal(err)
	}
	if n := pass(); n != 10 {
		t.Errorf("after one was taken away there are %d placements", n)
	}
	m, err := s.Stored("model-1")
	if err != nil {
		t.Fatal(err)
	}
	m.Everywhere = true
	if err := s.save(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if n := pass(); n != 11 {
		t.Errorf("of another one for all there are %d placements more", n-10)
	}
	gone := map[string]*fleet.HostView{"host-0": &view.list[0]}
	for range 2 {
		if err := s.forget(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.placed) != 4 || len(s.hosted) != 1 {
		t.Errorf("of hosts that are gone are left %d placements, and %d hosts", len(s.placed)-4, len(s.hosted)-1)
	}
}

// BenchmarkReconcile is one look at a fleet of a thousand hosts in which everything is as it
// should be.
func BenchmarkReconcile(b *testing.B) {
	const hosts = 1000
	for _, models := range []int{20, 1000} {
		for name, reports := range map[string]int{"nothing new": 0, "a host reported": 1, "all reported": hosts} {
			b.Run(fmt.Sprintf("%d models on each/%s", models, name), func(b *testing.B) {
				s, view := newStill(b, hosts, models)
				pass(b, s)
				b.ReportAllocs()
				for b.Loop() {
					for i := range reports {
						view.report(i)
					}
					pass(b, s)
				}
			})
		}
	}
}

// BenchmarkRollout is one look at a thousand hosts that lack twenty models each, and get
// sixteen now.
func BenchmarkRollout(b *testing.B) {
	s, view := newStill(b, 1000, 20)
	ctx, cancel := context.WithCancel(b.Context())
	view.work = func(fleet.Target, work.Job) error { <-ctx.Done(); return ctx.Err() }
	for i := range view.list {
		view.report(i)
		view.list[i].Instances[0].Models = nil
	}
	var working sync.WaitGroup
	s.reconcile(ctx, &working)
	b.ReportAllocs()
	for b.Loop() {
		s.reconcile(ctx, &working)
	}
	cancel()
	working.Wait()
}
