package models

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

func TestAModelIsStoredAndThenOnTheHostsThatAreToHaveIt(t *testing.T) {
	b := newBench(t, newShelf(), newHosts("a", "b", "c"))
	b.take("tiny", "GGUF one")
	m := b.model("tiny")
	if m.Status != fleet.ModelStored || m.Format != "gguf" || m.SizeBytes != 8 || len(m.Files) != 1 {
		t.Errorf("stored it is %+v", m)
	}
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a", "id-c"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a", "c")
	b.await("no operation is under way", func() bool {
		return !slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return !o.State.Ended() })
	})
	m = b.model("tiny")
	want := "digest of " + digestOf([]byte("GGUF one"))[:8]
	h := b.hosts
	h.mu.Lock()
	preferred := h.preferred["tiny:latest"]
	h.mu.Unlock()
	if m.Status != fleet.ModelAvailable || m.Digest != want || preferred != want || !slices.Equal(m.WantedOn, []string{"id-a", "id-c"}) {
		t.Errorf("on hosts it is %+v", m)
	}
}

func TestHostsAreChosen(t *testing.T) {
	h := newHosts("a", "b", "c", "d")
	gib := int64(1 << 30)
	gpu := func(free int64) *fleet.Sample {
		used := 100*gib - free
		total := 100 * gib
		return &fleet.Sample{GPUs: []fleet.GPU{{UUID: "g", State: fleet.GPUOK, MemoryUsedBytes: &used, MemoryTotalBytes: &total}}}
	}
	h.views["b"].Sample = gpu(80 * gib)
	h.views["c"].Sample = gpu(90 * gib)
	h.views["c"].Labels = map[string]string{"rack": "2"}
	h.views["d"].State = fleet.HostAway
	h.views["d"].Labels = map[string]string{"rack": "2"}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	b.stop()
	for _, c := range []struct {
		name  string
		where Where
		want  []string
		kind  fault.Kind
	}{
		{"the placement picks where the GPUs have room", Where{}, []string{"b"}, 0},
		{"two of those where it fits best", Where{Count: 2}, []string{"b", "c"}, 0},
		{"by label, those that are away as well", Where{Labels: map[string]string{"rack": "2"}}, []string{"c", "d"}, 0},
		{"one by label, and one that is there", Where{Labels: map[string]string{"rack": "2"}, Count: 1}, []string{"c"}, 0},
		{"all", Where{All: true}, []string{"a", "b", "c", "d"}, 0},
		{"more than there are", Where{Count: 4}, nil, fault.Unavailable},
		{"one that there is not", Where{Hosts: []string{"z"}}, nil, fault.NotFound},
		{"none that has the label", Where{Labels: map[string]string{"rack": "9"}}, nil, fault.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			hosts, err := b.Want(t.Context(), "tiny", c.where)
			var names []string
			for _, h := range hosts {
				names = append(names, h.Name)
			}
			slices.Sort(names)
			if c.kind != 0 {
				if fault.KindOf(err) != c.kind {
					t.Errorf("error %v, want %v", err, c.kind)
				}
				return
			}
			if diff := cmp.Diff(c.want, names); err != nil || diff != "" {
				t.Errorf("%v, hosts (-want +got)\n%s", err, diff)
			}
			if err := b.unplace(t.Context(), b.letGo("tiny")...); err != nil { // the next one begins anew
				t.Fatal(err)
			}
		})
	}
}

func TestAHostThatWasAwayGetsItsModelsWhenItIsBack(t *testing.T) {
	h := newHosts("a")
	h.views["a"].State = fleet.HostAway
	shelf := newShelf()
	b := newBench(t, shelf, h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b = newBench(t, shelf, h) // nor does a restart forget it
	if jobs := h.done(); len(jobs) != 0 {
		t.Errorf("done on a host that is away: %v", jobs)
	}
	h.set("a", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.awaitOn("tiny", "a")
}

func TestWhatSomebodyDeletesBehindOurBackComesAgain(t *testing.T) {
	h := newHosts("a")
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a")
	b.await("the placement is settled", func() bool {
		b.mu.RLock()
		defer b.mu.RUnlock()
		return b.placed[place{"tiny:latest", "id-a", "default"}].Digest != ""
	})
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = nil })
	b.awaitOn("tiny", "a")
}

func TestALaterVersionReplacesTheOneThatWePutThere(t *testing.T) {
	h := newHosts("a")
	var replaces []string
	h.work = func(_ fleet.Target, job work.Job) error {
		replaces = job.Replaces
		return nil
	}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	first, second := "digest of "+digestOf([]byte("GGUF one"))[:8], "digest of "+digestOf([]byte("GGUF two"))[:8]
	b.await("the first is there", func() bool { return b.model("tiny").Digest == first })
	b.await("its operation has ended", func() bool { return b.model("tiny").Progress == nil })
	b.take("tiny", "GGUF two")
	b.await("the second is there", func() bool { return b.model("tiny").Digest == second })
	if !slices.Contains(replaces, first) {
		t.Errorf("the worker may replace %v", replaces)
	}
	b.await("the files of the first are gone", func() bool { return len(b.shelf.keys()) == 1 })
}

// What is wanted of a model reaches whoever makes it, also after a restart, and the same
// files with other wishes are another model.
func TestWhatIsWantedOfAModel(t *testing.T) {
	h, shelf := newHosts("a"), newShelf()
	var made atomic.Value // the last
	made.Store("")
	h.work = func(_ fleet.Target, job work.Job) error {
		made.Store(job.Recipe.Quantize + " " + job.Recipe.From)
		return nil
	}
	b := newBench(t, shelf, h)
	for _, from := range []string{"base", "other"} {
		p := b.parcel("tiny", "m.gguf", "GGUF one")
		p.Quantize, p.Options, p.Hosts = "q4_K_M", loader.Options{From: from}, []string{}
		if err := b.Take(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		b.await("it is made of "+from, func() bool { return made.Load() == "q4_K_M "+from && b.model("tiny").Progress == nil })
		b.stop()
		made.Store("")
		h.set("a", func(v *fleet.HostView) { v.Instances[0].Models = nil })
		b = newBench(t, shelf, h)
		b.await("it is made again", func() bool { return made.Load() == "q4_K_M "+from && b.model("tiny").Progress == nil })
	}
	if on := b.WantedOn("Tiny"); !slices.Equal(on, []string{"id-a"}) {
		t.Errorf("wanted on %v", on)
	}
	if hosts, err := b.Choose("nobody knows it", Where{}); err != nil || len(hosts) != 1 || hosts[0].Name != "a" {
		t.Errorf("%v, %v", hosts, err)
	}
}

func TestFilesThatAreNoModel(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	err := b.Take(t.Context(), b.parcel("bad", "bad.gguf", "pickle"))
	if fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error %v", err)
	}
	m := b.model("bad")
	if m.Status != fleet.ModelFailed || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], "no GGUF") {
		t.Errorf("it is %+v", m)
	}
	if keys := b.shelf.keys(); len(keys) != 0 {
		t.Errorf("left over in the storage: %v", keys)
	}
	if _, err := b.Want(t.Context(), "bad", Where{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("wanting it: %v", err)
	}
	if err := b.Delete(t.Context(), "bad", Deletion{}); err != nil {
		t.Fatal(err)
	}
	b.await("it is gone", func() bool { return b.model("bad").Status == "" })
}

// What is in a storage already is not copied, and stays there.
func TestAModelOfAFileThatIsInAStorageAlready(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.shelf.contents["bucket/theirs/m.gguf"], b.shelf.files["bucket/theirs/m.gguf"] = "GGUF theirs", "there"
	p := Parcel{Name: "theirs", Files: []ParcelFile{{Path: "m.gguf", SizeBytes: 11, Stored: &fleet.ModelFile{Storage: "bucket", Key: "theirs/m.gguf", SizeBytes: 11}}}}
	if err := b.Take(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := []fleet.ModelFile{{Path: "m.gguf", Storage: "bucket", Key: "theirs/m.gguf", SizeBytes: 11, SHA256: digestOf([]byte("GGUF theirs")), Borrowed: true}}
	if diff := cmp.Diff(want, b.model("theirs").Files); diff != "" {
		t.Errorf("its files (-want +got)\n%s", diff)
	}
	if err := b.Delete(t.Context(), "theirs", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	b.await("it is gone", func() bool { return b.model("theirs").Status == "" })
	if keys := b.shelf.keys(); len(keys) != 1 {
		t.Errorf("in the storage are %v", keys)
	}
	p.Files[0].Stored.SHA256, p.Files[0].Stored.SizeBytes, p.Files[0].SizeBytes = "", 12, 12
	if err := b.Take(t.Context(), p); fault.KindOf(err) != fault.Conflict {
		t.Errorf("one that is of another length than it was said to be: %v", err)
	}
}

// A version that is refused leaves the one that is there alone.
func TestARefusedVersionChangesNothing(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.take("tiny", "GGUF one")
	if err := b.Take(t.Context(), b.parcel("tiny", "bad.gguf", "pickle")); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("error %v", err)
	}
	if m := b.model("tiny"); m.Status != fleet.ModelStored || len(m.Problems) != 0 {
		t.Errorf("it is %+v", m)
	}
	if keys := b.shelf.keys(); len(keys) != 1 {
		t.Errorf("in the storage are %v", keys)
	}
}

func TestNamesAreChecked(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	for _, name := range []string{"", "a b", "..", "a/b/c/d/e", strings.Repeat("x", 300), "a\x00b", "http://x"} {
		if err := b.Take(t.Context(), b.parcel(name, "m.gguf", "GGUF")); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	for _, path := range []string{"", "../m.gguf", "/m.gguf", "a//b", "a\\b", "a\nb"} {
		if err := b.Take(t.Context(), b.parcel("tiny", path, "GGUF")); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the path %q: %v", path, err)
		}
	}
}

func TestADeletedModelGoesFromHostsAtOnceAndFromItsStorageADayLater(t *testing.T) {
	h := newHosts("a", "b")
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{All: true}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a", "b")
	h.set("b", func(v *fleet.HostView) { v.State = fleet.HostAway })
	if err := b.Delete(t.Context(), "tiny", Deletion{}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny")
	if m := b.model("tiny"); m.Status != fleet.ModelDeleting || len(b.shelf.keys()) != 1 {
		t.Errorf("it is %+v, with the files %v", m, b.shelf.keys())
	}
	if _, err := b.Restore(t.Context(), "tiny"); err != nil {
		t.Fatal(err)
	}
	if m := b.model("tiny"); m.Status != fleet.ModelStored {
		t.Errorf("restored it is %+v", m)
	}
	if err := b.Delete(t.Context(), "tiny", Deletion{}); err != nil {
		t.Fatal(err)
	}
	b.clock.pass(trash)
	b.wake()
	b.await("its files are gone", func() bool { return len(b.shelf.keys()) == 0 })
	if m := b.model("tiny"); m.Status != fleet.ModelDeleting {
		t.Errorf("with a host that is away it is %+v", m)
	}
	h.set("b", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.await("it is gone", func() bool { return b.model("tiny").Status == "" })
	if len(b.shelf.models)+len(b.shelf.placements) > 0 {
		t.Errorf("stored are still %v and %v", b.shelf.models, b.shelf.placements)
	}
}

func TestFilesThatTwoModelsHaveAreStoredOnceAndStayWithTheOther(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.take("one", "GGUF same")
	b.take("two", "GGUF same")
	if keys := b.shelf.keys(); len(keys) != 1 {
		t.Errorf("in the storage are %v", keys)
	}
	if size, err := b.Known("", digestOf([]byte("GGUF same"))); err != nil || size != 9 {
		t.Errorf("what is there is known with %d bytes, %v", size, err)
	}
	if _, err := b.Known("elsewhere", digestOf([]byte("GGUF same"))); fault.KindOf(err) != fault.NotFound {
		t.Errorf("what isn't there: %v", err)
	}
	if err := b.Delete(t.Context(), "one", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	b.await("one is gone", func() bool { return b.model("one").Status == "" })
	if keys := b.shelf.keys(); len(keys) != 1 {
		t.Errorf("in the storage are %v", keys)
	}
}

func TestAStorageThatFailsWhileItsFilesAreDeleted(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.take("tiny", "GGUF one")
	b.shelf.fail(fault.New(fault.Unavailable, "away"))
	if err := b.Delete(t.Context(), "tiny", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	b.await("it is to be tried again", func() bool {
		return slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return o.Kind == fleet.DeleteOperation && o.Error != "" })
	})
	b.shelf.fail(nil)
	b.clock.pass(maxPause)
	b.wake()
	b.await("it is gone", func() bool { return b.model("tiny").Status == "" && len(b.shelf.keys()) == 0 })
}

func TestFailuresOnHosts(t *testing.T) {
	h := newHosts("a")
	var fails error = fault.New(fault.Unavailable, "the source is away")
	h.work = func(fleet.Target, work.Job) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		return fails
	}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	operation := func() fleet.Operation {
		for _, o := range b.ops.List() {
			if o.Kind == fleet.DownloadOperation {
				return o
			}
		}
		return fleet.Operation{}
	}
	b.await("it waits to be tried again", func() bool { return operation().State == fleet.OperationWaiting && operation().Error != "" })
	if m := b.model("tiny"); len(m.Problems) != 1 || m.Progress == nil {
		t.Errorf("the model is %+v", m)
	}
	h.set("a", func(*fleet.HostView) { fails = fault.New(fault.Conflict, "somebody else's model is there") })
	if _, err := b.ops.Retry(t.Context(), operation().ID); err != nil {
		t.Fatal(err)
	}
	b.await("it has failed", func() bool { return operation().State == fleet.OperationFailed })
	before := len(h.done())
	b.clock.pass(time.Hour)
	h.set("a", func(v *fleet.HostView) { v.ConnectedAt = noon().Add(time.Hour); fails = nil })
	b.take("other", "GGUF two") // the service has looked at everything again since
	if n := len(h.done()); n != before {
		t.Errorf("tried %d times more", n-before)
	}
	if _, err := b.ops.Retry(t.Context(), operation().ID); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a")
}

func TestAJobThatSomebodyCancels(t *testing.T) {
	h := newHosts("a")
	begun, let := make(chan struct{}), make(chan struct{})
	h.work = func(fleet.Target, work.Job) error {
		close(begun)
		<-let
		return nil
	}
	b := newBench(t, newShelf(), h)
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	<-begun
	for _, o := range b.ops.List() {
		if o.Kind == fleet.DownloadOperation {
			if _, err := b.ops.Cancel(o.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(let)
	cancelled := ""
	b.await("it is cancelled", func() bool {
		for _, o := range b.ops.List() {
			if o.State == fleet.OperationCancelled {
				cancelled = o.ID
			}
		}
		return cancelled != ""
	})
	if m := b.model("tiny"); len(m.WantedOn) != 0 {
		t.Errorf("the model is still wanted on %v", m.WantedOn)
	}
	h.set("a", func(*fleet.HostView) { h.work = nil })
	if _, err := b.ops.Retry(t.Context(), cancelled); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a")
}

func TestAHostThatHasMoreThanItMayLetsGoOfWhatWasUsedLeast(t *testing.T) {
	h := newHosts("a")
	h.views["a"].Instances[0].Models = []fleet.HostModel{{Name: "by-hand:latest", Digest: "x", SizeBytes: 10}}
	b := newBench(t, newShelf(), h)
	b.uses = []fleet.LastUse{
		{Model: "old", HostID: "id-a", At: noon().Add(2 * time.Hour)},
		{Model: "loaded", HostID: "id-a", At: noon().Add(time.Hour)},
		{Model: "recent", HostID: "id-a", At: noon().Add(3 * time.Hour)},
		{Model: "asked", HostID: "id-a", At: noon()},
	}
	names := []string{"old", "loaded", "recent", "pinned"}
	for _, name := range names {
		b.take(name, "GGUF "+name+strings.Repeat(".", 15-len(name))) // 20 bytes each
		if _, err := b.Want(t.Context(), name, Where{}); err != nil {
			t.Fatal(err)
		}
	}
	b.take("asked", "GGUF asked..........")
	if _, err := b.Want(t.Context(), "asked", Where{Hosts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	yes := true
	if err := b.Describe(t.Context(), "pinned", Patch{Pinned: &yes}); err != nil {
		t.Fatal(err)
	}
	has := func() (list []string) {
		for _, m := range h.Hosts()[0].Instances[0].Models {
			list = append(list, strings.TrimSuffix(m.Name, ":latest"))
		}
		slices.Sort(list)
		return list
	}
	settled := func(want ...string) func() bool {
		return func() bool {
			return slices.Equal(has(), want) && !slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return !o.State.Ended() })
		}
	}
	b.await("all are there", settled("asked", "by-hand", "loaded", "old", "pinned", "recent"))
	h.set("a", func(v *fleet.HostView) { v.Instances[0].Loaded = []fleet.LoadedModel{{Name: "loaded:latest"}} })
	b.cache.Store(95) // of 110
	b.wake()
	b.await("the one goes that was used least, of those that may", settled("asked", "by-hand", "loaded", "pinned", "recent"))
	b.cache.Store(1)
	b.wake()
	b.await("what nobody may take away stays", settled("asked", "by-hand", "loaded", "pinned"))
	if m := b.model("recent"); m.Status != fleet.ModelStored || len(m.WantedOn) != 0 {
		t.Errorf("what went is %+v", m)
	}
}

func TestHostsLookForWhatNoModelRefersTo(t *testing.T) {
	h := newHosts("a", "b")
	h.views["b"].State = fleet.HostAway
	b := newBench(t, newShelf(), h)
	b.mu.Lock()
	b.runs[place{hostID: "id-a", instance: "default"}] = &run{notUntil: noon().Add(collectEvery)} // it has come a moment ago
	b.mu.Unlock()
	for n := range 2 {
		b.clock.pass(collectEvery)
		b.wake()
		b.await("the host that is there has looked", func() bool { return len(h.done()) == n+1 && !b.looking("id-a") })
	}
	for _, job := range h.done() {
		if job != "collect  on a" {
			t.Errorf("done was %q", job)
		}
	}
}

func TestWhatIsNowhere(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	_, want := b.Want(t.Context(), "none", Where{})
	_, restore := b.Restore(t.Context(), "none")
	for _, err := range []error{want, restore, b.Delete(t.Context(), "none", Deletion{})} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("error %v", err)
		}
	}
}

// A storage that is away is waited for, unless somebody has had enough.
func TestAStorageThatFailsWhileAModelIsStored(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.shelf.fail(errors.New("disk on fire"))
	arrivals := NewArrivals(b.Service, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- arrivals.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"cancelled", "stored"} {
		if err := arrivals.Accept(name, b.parcel(name, "m.gguf", "GGUF "+name)); err != nil {
			t.Fatal(err)
		}
		if m := b.model(name); m.Status != fleet.ModelUploading {
			t.Errorf("accepted it is %+v", m)
		}
	}
	failing := func(name string) (id string) {
		b.await(name+" is to be tried again", func() bool {
			for _, o := range b.ops.List() {
				if fleet.SameModel(o.Model, name) && strings.Contains(o.Message, "tried again") {
					id = o.ID
				}
			}
			return id != ""
		})
		return id
	}
	failing("stored")
	if _, err := b.ops.Cancel(failing("cancelled")); err != nil {
		t.Fatal(err)
	}
	b.await("it is gone", func() bool { return b.model("cancelled").Status == "" })
	b.shelf.fail(nil)
	b.await("the other is stored", func() bool { return b.model("stored").Status == fleet.ModelStored })
}

// Several versions of a model that come at once are stored one after the other, and the
// last one stays.
func TestVersionsThatArriveTogether(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	arrivals := NewArrivals(b.Service, t.TempDir())
	for i, content := range []string{"GGUF a", "GGUF bb", "GGUF ccc"} {
		if err := arrivals.Accept(string(rune('z'-i)), b.parcel("tiny", "m.gguf", content)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- arrivals.Run(ctx) }()
	b.await("the last one is stored", func() bool {
		return b.model("tiny").SizeBytes == int64(len("GGUF ccc")) && b.model("tiny").Progress == nil
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, o := range b.ops.List() {
		if o.State != fleet.OperationDone {
			t.Errorf("%+v", o)
		}
	}
	if keys := b.shelf.keys(); len(keys) != 1 {
		t.Errorf("in the storage are %v", keys)
	}
}

func TestWhatHasArrivedIsTakenAfterAKill(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	folder := t.TempDir()
	before := NewArrivals(b.Service, folder)
	p := b.parcel("tiny", "m.gguf", "GGUF one")
	if err := before.Accept("u1", p); err != nil {
		t.Fatal(err)
	}
	if err := before.Accept("u1", p); err != nil { // whose answer was lost
		t.Fatal(err)
	}
	p = b.parcel("half", "m.gguf", "GGUF half") // whose file was moved, and no more
	if err := os.MkdirAll(filepath.Join(folder, "u2.part"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.Files[0].Local, filepath.Join(folder, "u2.part", "0")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	after := NewArrivals(b.Service, folder)
	go func() { ended <- after.Run(ctx) }()
	if err := after.Accept("u2", p); err != nil {
		t.Fatal(err)
	}
	b.await("both are stored", func() bool {
		return b.model("tiny").Status == fleet.ModelStored && b.model("half").Status == fleet.ModelStored
	})
	b.await("nothing is left", func() bool {
		return !slices.ContainsFunc(b.ops.List(), func(o fleet.Operation) bool { return !o.State.Ended() })
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := after.Accept("bad", Parcel{Name: "a b"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a bad name: %v", err)
	}
}

func TestATicketIsForOneFileAndForAWhile(t *testing.T) {
	c := &clock{at: noon()}
	tickets := NewTickets(c.now)
	good, program := queryOf(t, tickets.File("default", "models/a b?c")), queryOf(t, tickets.Program("abc"))
	if err := errors.Join(tickets.CheckFile("default", good), tickets.CheckProgram("abc", program)); err != nil {
		t.Fatal(err)
	}
	other := queryOf(t, tickets.File("default", "models/a"))
	other.Set("path", "models/b")
	later := queryOf(t, tickets.File("default", "models/a"))
	later.Set("expires", "99999999999")
	for name, err := range map[string]error{
		"another storage": tickets.CheckFile("other", good), "another file": tickets.CheckFile("default", other), "a later end": tickets.CheckFile("default", later),
		"another run": NewTickets(c.now).CheckFile("default", good), "nothing": tickets.CheckFile("default", nil),
		"another program": tickets.CheckProgram("abd", program), "a file for a program": tickets.CheckFile("abc", program),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.pass(ticketTTL)
	if err := tickets.CheckFile("default", good); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after its end: %v", err)
	}
}

func queryOf(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
