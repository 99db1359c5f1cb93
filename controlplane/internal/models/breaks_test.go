package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// ended is what becomes of a call of a loader whose process ends under it.
func ended() error {
	return fault.Wrap(fault.Unavailable, fleet.ErrBroke, "the plugin loader gguf has ended by itself: exit status 2").On(fault.Plugin)
}

// mortal is a loader in one process, which ends over what is called "poison", and takes a
// while for the rest. What it is looking at then is lost.
type mortal struct {
	oracle

	mu     sync.Mutex
	died   chan struct{} // closed when the process ends
	fails  []error       // what the next calls come to, nil for nothing
	looked int
}

func (m *mortal) Inspect(ctx context.Context, files []fleet.ModelFile) (string, loader.Info, error) {
	m.mu.Lock()
	m.looked++
	died, err := m.died, error(nil)
	if len(m.fails) > 0 {
		err, m.fails = m.fails[0], m.fails[1:]
	}
	m.mu.Unlock()
	if err != nil {
		return "gguf", loader.Info{}, err
	}
	look := time.NewTimer(10 * time.Second)
	if strings.HasPrefix(files[0].Path, "poison") {
		look.Reset(time.Second)
	}
	defer look.Stop()
	select {
	case <-died:
		return "gguf", loader.Info{}, ended()
	case <-look.C:
	case <-ctx.Done():
		return "", loader.Info{}, context.Cause(ctx)
	}
	if strings.HasPrefix(files[0].Path, "poison") {
		m.mu.Lock()
		defer m.mu.Unlock()
		close(m.died)
		m.died = make(chan struct{})
		return "gguf", loader.Info{}, ended()
	}
	return m.oracle.Inspect(ctx, files)
}

// bubble runs a test of a service with a loader that ends, in which time passes only when
// nothing else is to do.
func bubble(t *testing.T, test func(*testing.T, *bench, *mortal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newShelf(), newHosts())
		m := &mortal{died: make(chan struct{})}
		b.Loaders = m
		test(t, b, m)
	})
}

func TestFilesOverWhichALoaderEndsEachTime(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, m *mortal) {
		folder := t.TempDir()
		arrivals := NewArrivals(b.Service, folder)
		ctx, cancel := context.WithCancel(t.Context())
		running := make(chan error, 1)
		go func() { running <- arrivals.Run(ctx) }()
		if err := arrivals.Accept("a", b.parcel("tiny", "poison.gguf", "GGUF one")); err != nil {
			t.Fatal(err)
		}
		b.await("it is refused", func() bool { return b.model("tiny").Status == fleet.ModelFailed && len(b.ops.UnderWay()) == 0 })
		want := "the loader gguf broke down each of the 3 times that it looked at these files: the plugin loader gguf has ended by itself: exit status 2"
		if got := b.model("tiny").Problems; len(got) != 1 || got[0] != want {
			t.Errorf("the problems are %q", got)
		}
		if o := b.ops.List()[0]; o.State != fleet.OperationFailed || o.Error != want {
			t.Errorf("its operation is %+v", o)
		}
		if m.looked != loaderBreaks {
			t.Errorf("it was looked at %d times", m.looked)
		}
		synctest.Wait()
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 || len(b.shelf.keys()) > 0 {
			t.Errorf("left over are %v and %v, %v", left, b.shelf.keys(), err)
		}
		// Somebody brings it once more.
		if err := arrivals.Accept("b", b.parcel("tiny", "m.gguf", "GGUF one")); err != nil {
			t.Fatal(err)
		}
		b.await("it is stored", func() bool { return b.model("tiny").Status == fleet.ModelStored })
		cancel()
		if err := <-running; err != nil {
			t.Error(err)
		}
	})
}

func TestALoaderThatIsAwayIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, m *mortal) {
		for range 2 * loaderBreaks {
			m.fails = append(m.fails, fault.New(fault.Unavailable, "the plugin loader gguf is failed: it ended too often").On(fault.Plugin))
		}
		m.fails = append(m.fails, ended(), fault.New(fault.Unavailable, "the storage is away").On(fault.Service), ended())
		b.take("tiny", "GGUF one")
		if m.looked != 2*loaderBreaks+4 {
			t.Errorf("it was looked at %d times", m.looked)
		}
	})
}

func TestALoaderThatHangsOrPanicsEachTime(t *testing.T) {
	for kind, what := range map[fault.Kind]string{fault.Timeout: "there was no answer within 5m0s", fault.Internal: "the plugin failed"} {
		bubble(t, func(t *testing.T, b *bench, m *mortal) {
			for range loaderBreaks {
				m.fails = append(m.fails, fault.Wrap(kind, fleet.ErrBroke, "%s", what).On(fault.Plugin))
			}
			err := b.Take(t.Context(), b.parcel("tiny", "m.gguf", "GGUF one"))
			if fault.KindOf(err) != kind || !strings.HasSuffix(fault.MessageOf(err), "3 times that it looked at these files: "+what) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Several files over which the loader ends are looked at beside one that it takes its time
// for, which isn't to blame.
func TestWhatIsLookedAtBesideFilesOverWhichALoaderEnds(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench, m *mortal) {
		var taking sync.WaitGroup
		var good error
		p := b.parcel("good", "m.gguf", "GGUF good")
		taking.Go(func() { good = b.Take(t.Context(), p) })
		synctest.Wait() // it is being looked at
		bad := make([]error, 6)
		for i := range bad {
			p := b.parcel(fmt.Sprintf("bad:%d", i), fmt.Sprintf("poison%d.gguf", i), fmt.Sprint("GGUF bad ", i))
			taking.Go(func() { bad[i] = b.Take(t.Context(), p) })
		}
		taking.Wait()
		if good != nil {
			t.Errorf("the good one: %v", good)
		}
		for _, err := range bad {
			if !errors.Is(err, fleet.ErrBroke) {
				t.Errorf("a bad one: %v", err)
			}
		}
		if want := loaderBreaks*len(bad) + 2; m.looked != want { // the good one once beside a bad one, and once alone
			t.Errorf("they were looked at %d times", m.looked)
		}
	})
}

// breaking returns a service of a host on which something breaks down at all that it is to
// do, and the model that it is to get.
func breaking(t *testing.T) (h *hosts, b *bench, tried func(times int) fleet.Operation) {
	t.Helper()
	h = newHosts("a")
	h.work = func(_ fleet.Target, job work.Job) error {
		if job.Kind == work.Collect {
			return nil
		}
		return fault.Wrap(fault.Unavailable, fleet.ErrBroke, "the program that does the work on models was killed on this host").On(fault.Host)
	}
	b = newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.wants("tiny", Where{Hosts: []string{"a"}})
	return h, b, func(times int) fleet.Operation {
		t.Helper()
		b.await(fmt.Sprintf("it was tried %d times", times), func() bool {
			o := b.operation(fleet.DownloadOperation, "tiny", "a")
			return o.Attempts == times && (o.State == fleet.OperationWaiting || o.State == fleet.OperationFailed)
		})
		return b.operation(fleet.DownloadOperation, "tiny", "a")
	}
}

// later has the pause after a failure be over.
func (b *bench) later() {
	b.clock.pass(maxPause)
	b.hosts.set("a", func(*fleet.HostView) {})
}

func TestAHostOnWhichSomethingBreaksDownEachTime(t *testing.T) {
	h, b, tried := breaking(t)
	for i := range hostBreaks - 1 {
		if o := tried(i + 1); o.State != fleet.OperationWaiting || o.Reason != fleet.WaitsForRetry {
			t.Fatalf("after %d times it is %+v", i+1, o)
		}
		if i%2 == 0 {
			b.later()
		} else { // whether the host went away for it, nobody knows
			h.set("a", func(v *fleet.HostView) { v.ConnectedAt = b.clock.now().Add(time.Second) })
		}
	}
	o := tried(hostBreaks)
	want := "it was tried 5 times, and each time it broke down: the program that does the work on models was killed on this host"
	if o.State != fleet.OperationFailed || o.Error != want || o.Code != "unavailable" {
		t.Fatalf("at last it is %+v", o)
	}
	b.later()
	h.set("a", func(v *fleet.HostView) { v.ConnectedAt = b.clock.now().Add(time.Minute) })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if got := b.operation(fleet.DownloadOperation, "tiny", "a"); got.ID != o.ID || got.Attempts != hostBreaks {
		t.Errorf("it is tried for ever: %+v", got)
	}
	for what, again := range map[string]func(){
		"somebody asks for it again": func() {
			if _, err := b.ops.Retry(t.Context(), b.operation(fleet.DownloadOperation, "tiny", "a").ID); err != nil {
				t.Error(err)
			}
		},
		"another agent": func() { h.set("a", func(v *fleet.HostView) { v.Facts.AgentVersion = "2" }) },
		"another start": func() { h.set("a", func(v *fleet.HostView) { v.Facts.BootID = "2" }) },
		"another Ollama": func() {
			h.set("a", func(v *fleet.HostView) { v.Instances[0].Version = "0.18.0" })
		},
		"another version of the model": func() { b.take("tiny", "GGUF new") },
	} {
		b.clock.pass(time.Second) // so that the next operation is the latest
		t.Log(what)
		again()
		for i := range hostBreaks { // and all begins anew
			tried(i + 1)
			b.later()
		}
	}
}

func TestWhatBreaksDownNowAndThenIsTriedOn(t *testing.T) {
	h, b, tried := breaking(t)
	breaks := h.work
	for i := range hostBreaks - 1 {
		tried(i + 1)
		b.later()
	}
	tried(hostBreaks - 1) // once more, and it would be left
	h.set("a", func(*fleet.HostView) {
		h.work = func(fleet.Target, work.Job) error { return fault.New(fault.Unavailable, "the source is away") }
	})
	for i := range 3 {
		b.later()
		if o := tried(hostBreaks + i); o.State != fleet.OperationWaiting {
			t.Errorf("the source is away: %+v", o)
		}
	}
	h.set("a", func(*fleet.HostView) { h.work = nil })
	b.later()
	b.awaitOn("tiny", "a")
	b.await("it is done", func() bool { return len(b.ops.UnderWay()) == 0 })
	h.set("a", func(v *fleet.HostView) { h.work = breaks; v.Instances[0].Models = nil }) // it has lost it
	if o := tried(1); o.State != fleet.OperationWaiting {
		t.Errorf("the first time after it went well: %+v", o)
	}
}

func TestALoaderThatEndsOverWhatItPlansForAHost(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.Loaders = endsPlanning{}
	b.wants("tiny", Where{Hosts: []string{"a"}})
	b.await("it has failed", func() bool {
		b.later()
		return b.operation(fleet.DownloadOperation, "tiny", "a").State == fleet.OperationFailed
	})
	if o := b.operation(fleet.DownloadOperation, "tiny", "a"); o.Attempts != hostBreaks {
		t.Errorf("it is %+v", o)
	}
}

type endsPlanning struct{ oracle }

func (endsPlanning) Plan(context.Context, string, loader.Request) (loader.Recipe, error) {
	return loader.Recipe{}, ended()
}
