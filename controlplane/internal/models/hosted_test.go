package models

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
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
		Uses: func(string) map[string]time.Time { return nil },
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

// rollout returns a service of hosts that lack the same models each, of which as many as may
// get one now. What it returns has one of these fail.
func rollout(tb testing.TB, hostCount, modelCount int) (s *Service, look, fail func()) {
	tb.Helper()
	s, view := newStill(tb, hostCount, modelCount)
	ctx, cancel := context.WithCancel(tb.Context())
	begun, failing := make(chan struct{}, hostCount*modelCount), make(chan struct{})
	view.work = func(fleet.Target, work.Job) error {
		begun <- struct{}{}
		select {
		case <-failing:
			return fault.New(fault.Unavailable, "the source is away")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i := range view.list {
		view.report(i)
		view.list[i].Instances[0].Models = nil
	}
	var working sync.WaitGroup
	look = func() { s.reconcile(ctx, &working) }
	tb.Cleanup(func() {
		cancel()
		working.Wait()
	})
	look()
	for range min(maxAtOnce, hostCount) {
		<-begun
	}
	return s, look, func() {
		changed := s.Changed()
		failing <- struct{}{}
		<-changed
	}
}

// TestARolloutCostsWhatChanges holds a look at a rollout to what the hosts take, however
// much waits for them.
func TestARolloutCostsWhatChanges(t *testing.T) {
	const hosts = maxAtOnce + 4
	allocations := func(models int) float64 {
		s, look, _ := rollout(t, hosts, models)
		look()
		if n := len(s.Operations.UnderWay()); n != hosts*models {
			t.Fatalf("%d operations", n)
		}
		return testing.AllocsPerRun(10, look)
	}
	if few, many := allocations(1), allocations(200); many > few+10 {
		t.Errorf("a look allocates %v times where a model is on its way to each host, and %v times where 200 are", few, many)
	}
}

// TestOneAfterTheOtherIsServed has what is done fail, until each host has had its turn.
func TestOneAfterTheOtherIsServed(t *testing.T) {
	const hosts, models = 2 * maxAtOnce, 3
	s, look, fail := rollout(t, hosts, models)
	for range hosts * models {
		fail()
		look()
	}
	states := map[fleet.WaitReason]int{}
	for _, o := range s.Operations.UnderWay() {
		if o.Attempts > 1 {
			t.Errorf("it is tried again before its time: %+v", o)
		}
		states[o.Reason]++
	}
	if states[fleet.WaitsForRetry] != hosts*models { // nothing else is left to be done
		t.Errorf("they wait for %v", states)
	}
}

// TestWhatWasNotSeenIsSeenAMinuteLater has an outlook be wrong, as nobody knows how.
func TestWhatWasNotSeenIsSeenAMinuteLater(t *testing.T) {
	s, view := newStill(t, 1, 1)
	now := noon()
	s.Now = func() time.Time { return now }
	view.report(0)
	view.list[0].Instances[0].Models = nil
	hosts := byID(view.list)
	s.mu.Lock()
	s.surveyed = now
	s.survey(s.hosted["host-0"], hosts["host-0"], now)
	s.hosted["host-0"].first = nil
	s.mu.Unlock()
	if tasks, _ := s.due(hosts); len(tasks) != 0 {
		t.Fatalf("there is %+v", tasks)
	}
	now = now.Add(look)
	if tasks, _ := s.due(hosts); len(tasks) != 1 {
		t.Errorf("there is %+v", tasks)
	}
}

// BenchmarkRollout is one look at a thousand hosts that lack twenty models each, of which
// sixteen get one now.
func BenchmarkRollout(b *testing.B) {
	b.Run("nothing new", func(b *testing.B) {
		_, look, _ := rollout(b, 1000, 20)
		b.ReportAllocs()
		for b.Loop() {
			look()
		}
	})
	b.Run("one ends and another begins", func(b *testing.B) {
		_, look, fail := rollout(b, 1000, 20)
		b.ReportAllocs()
		for b.Loop() {
			fail()
			look()
		}
	})
}
