package models

import (
	"slices"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

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

func TestAModelOfAForgottenStorageCanBeDeleted(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.take("tiny", "GGUF one")
	b.shelf.fail(fault.New(fault.NotFound, "there is no storage of this name").On(fault.Caller))
	if err := b.Delete(t.Context(), "tiny", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	b.await("it is gone", func() bool { return b.model("tiny").Status == "" })
}

func TestHostsLetGoOfAModelThatTheCatalogueKeeps(t *testing.T) {
	h := newHosts("a", "b", "c")
	b := newBench(t, newShelf(), h)
	if err := b.LetGo(t.Context(), "tiny"); err != nil { // which the catalogue doesn't have
		t.Fatal(err)
	}
	b.take("tiny", "GGUF one")
	if _, err := b.Want(t.Context(), "tiny", Where{All: true}); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "a", "b", "c")
	h.set("b", func(v *fleet.HostView) { v.State = fleet.HostAway })
	if err := b.LetGo(t.Context(), "tiny", "id-a"); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny", "c")
	if got := b.WantedOn("tiny"); !slices.Equal(got, []string{"id-b", "id-c"}) {
		t.Errorf("after one let go of it, it is wanted on %v", got)
	}
	if err := b.LetGo(t.Context(), "tiny"); err != nil {
		t.Fatal(err)
	}
	b.awaitOn("tiny")
	h.set("b", func(v *fleet.HostView) { v.State = fleet.HostOnline })
	b.await("the host that was away lets go of it", func() bool { return len(b.letGo("tiny")) == 0 })
	if m := b.model("tiny"); m.Status != fleet.ModelStored || len(b.WantedOn("tiny")) > 0 {
		t.Errorf("in the end it is %+v, wanted on %v", m, b.WantedOn("tiny"))
	}
}
