package models

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// putOld puts a model in three files on a shelf, as it was stored before its digest as
// one was found out.
func (s *shelf) putOld(t *testing.T, name string) {
	t.Helper()
	m := fleet.StoredModel{Name: fleet.ShownModel(name), Loader: "gguf", CreatedAt: noon()}
	for i, content := range []string{"xxone", "xx", "xxthree"} {
		path := []string{"split-1.gguf", "split-2.gguf", "split-3.gguf"}[i]
		f := fleet.ModelFile{Path: path, Storage: "default", Key: name + "/" + path, SizeBytes: int64(len(content)), SHA256: digestOf([]byte(content))}
		s.files["default/"+f.Key], s.contents["default/"+f.Key] = f.SHA256, content
		m.Files = append(m.Files, f)
	}
	_, info, err := oracle{}.Inspect(t.Context(), m.Files)
	if err != nil {
		t.Fatal(err)
	}
	if m.Info, err = json.Marshal(info); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveModel(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// isKnown reports whether a model has the digest that it has as one.
func (b *bench) isKnown(model string) bool {
	return b.infoOf(model).Layers[0].SHA256 == digestOf([]byte(joined))
}

func (s *shelf) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.opened)
}

// catchUpOnce does what a look at models stored before begins.
func (b *bench) catchUpOnce() {
	var working sync.WaitGroup
	b.catchUp(b.t.Context(), &working)
	working.Wait()
}

func TestTheDigestOfAModelStoredBeforeIsFoundOutOnce(t *testing.T) {
	shelf, hosts := newShelf(), newHosts("a")
	shelf.putOld(t, "split")
	before := shelf.models["split:latest"]
	var orders []work.Job
	hosts.work = func(_ fleet.Target, job work.Job) error {
		orders = append(orders, job)
		return nil
	}
	b := newBench(t, shelf, hosts)
	b.await("its digest is known", func() bool { return b.isKnown("split") })
	b.want("split", "a")
	b.awaitOn("split", "a")
	if sum := digestOf([]byte(joined)); len(orders) != 1 || !slices.Equal(orders[0].Assembled(), []string{sum}) {
		t.Errorf("the host is told %+v", orders)
	}
	b.stop()
	// Nothing else of what is stored has changed.
	after := shelf.models["split:latest"]
	var said loader.Info
	if err := json.Unmarshal(after.Info, &said); err != nil {
		t.Fatal(err)
	}
	said.Layers[0].SHA256 = ""
	text, err := json.Marshal(said)
	if err != nil || string(text) != string(before.Info) || !slices.Equal(after.Files, before.Files) || after.CreatedAt != before.CreatedAt {
		t.Errorf("stored is %+v, %s, before %+v, %s; %v", after, text, before, before.Info, err)
	}
	read := shelf.reads()
	b = newBench(t, shelf, newHosts("b"))
	b.want("split", "b") // by when it would have been begun, were anything left to do
	b.awaitOn("split", "b")
	b.stop()
	if now := shelf.reads(); now != read {
		t.Errorf("it is read once more after a restart: %d times, before %d", now, read)
	}
}

// One model after the other is read.
func TestModelsStoredBeforeAreReadOneAtATime(t *testing.T) {
	shelf := newShelf()
	for _, name := range []string{"a", "b", "c"} {
		shelf.putOld(t, name)
	}
	b := newBench(t, shelf, newHosts())
	b.await("all digests are known", func() bool { return b.isKnown("a") && b.isKnown("b") && b.isKnown("c") })
	b.stop()
	var order []string
	for _, key := range shelf.opened {
		name, _, _ := strings.Cut(key, "/")
		order = append(order, name)
	}
	if turns := slices.Compact(slices.Clone(order)); len(turns) != 3 || len(order) != 6 { // one of the three files has nothing
		t.Errorf("they are read in the order %v", order)
	}
}

// A storage that is away is not asked, and that it was is no failure.
func TestAModelStoredBeforeWaitsForItsStorage(t *testing.T) {
	shelf := newShelf()
	shelf.putOld(t, "split")
	shelf.away = true
	b := newBench(t, shelf, newHosts())
	b.stop()
	for range 2 * overdueTries {
		b.catchUpOnce()
		b.clock.pass(maxPause)
	}
	if n := shelf.reads(); n != 0 {
		t.Errorf("it is read %d times while its storage is away", n)
	}
	shelf.away = false
	b.catchUpOnce()
	if !b.isKnown("split") {
		t.Error("its digest is not known when its storage is back")
	}
}

// What fails is tried again after a while, and not for ever.
func TestAModelStoredBeforeThatCannotBeRead(t *testing.T) {
	for name, is := range map[string]struct {
		kind  fault.Kind
		tries int
	}{
		"now":    {fault.Unavailable, overdueTries},
		"at all": {fault.NotFound, 1},
	} {
		t.Run(name, func(t *testing.T) {
			shelf := newShelf()
			shelf.putOld(t, "split")
			shelf.away = true
			b := newBench(t, shelf, newHosts())
			b.stop()
			shelf.away = false
			shelf.fail(fault.New(is.kind, "it can't be read"))
			for range 2 * overdueTries {
				b.catchUpOnce()
				read := shelf.reads()
				if b.catchUpOnce(); shelf.reads() != read {
					t.Error("it is tried again at once")
				}
				b.clock.pass(maxPause)
			}
			if n := shelf.reads(); n != is.tries {
				t.Errorf("it is tried %d times, want %d", n, is.tries)
			}
			shelf.fail(nil)
			b = newBench(t, shelf, newHosts())
			b.await("its digest is known after a restart", func() bool { return b.isKnown("split") })
		})
	}
}

// A model that is replaced, or deleted, while it is read is left as it is then.
func TestAModelStoredBeforeThatChangesWhileItIsRead(t *testing.T) {
	for name, change := range map[string]func(b *bench) error{
		"another one": func(b *bench) error { return b.Take(b.t.Context(), b.parcel("split", "m.gguf", "new")) },
		"described": func(b *bench) error {
			text := "mine"
			_, err := b.Describe(b.t.Context(), "split", Patch{Description: &text})
			return err
		},
		"deleted": func(b *bench) error { return b.Delete(b.t.Context(), "split", Deletion{}) },
	} {
		t.Run(name, func(t *testing.T) {
			shelf := newShelf()
			shelf.putOld(t, "split")
			shelf.away = true
			b := newBench(t, shelf, newHosts())
			b.stop()
			shelf.away = false
			var want fleet.StoredModel
			shelf.opening = func(string) {
				shelf.opening = nil
				if err := change(b); err != nil {
					t.Error(err)
				}
				want = shelf.models["split:latest"]
			}
			b.catchUpOnce()
			got := shelf.models["split:latest"]
			if known := name != "another one"; known != (string(got.Info) != string(want.Info)) {
				t.Errorf("what a loader said is %s, was %s", got.Info, want.Info)
			}
			got.Info, got.ChangedAt = want.Info, want.ChangedAt
			if !cmp.Equal(got, want) || len(b.overdue) != 0 {
				t.Errorf("it is %+v, want %+v; overdue are %v", got, want, b.overdue)
			}
		})
	}
}

// What nobody wants any more is not read.
func TestADeletedModelStoredBeforeIsNotRead(t *testing.T) {
	shelf := newShelf()
	shelf.putOld(t, "split")
	shelf.away = true
	b := newBench(t, shelf, newHosts())
	b.stop()
	shelf.away = false
	if err := b.Delete(t.Context(), "split", Deletion{}); err != nil {
		t.Fatal(err)
	}
	if b.catchUpOnce(); shelf.reads() != 0 {
		t.Error("it is read")
	}
	if _, err := b.Restore(t.Context(), "split"); err != nil {
		t.Fatal(err)
	}
	if b.catchUpOnce(); !b.isKnown("split") {
		t.Error("its digest is not known when it is wanted again")
	}
}
