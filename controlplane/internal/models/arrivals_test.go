package models

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

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
		for what, err := range map[string]error{
			"bringing":   second(b.Want(t.Context(), name, Where{})),
			"describing": second(b.Describe(t.Context(), name, Patch{Pinned: new(true)})),
		} {
			if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.MessageOf(err), "stored first") {
				t.Errorf("%s it: %v", what, err)
			}
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
	if _, err := b.ops.Cancel(t.Context(), failing("cancelled")); err != nil {
		t.Fatal(err)
	}
	b.await("it is gone", func() bool { return b.model("cancelled").Status == "" })
	b.shelf.fail(nil)
	b.await("the other is stored", func() bool { return b.model("stored").Status == fleet.ModelStored })
}

func second[T any](_ T, err error) error { return err }

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

// TestADeletedModelDoesNotArrive deletes a model of which one version is about to be taken,
// and two wait with one operation.
func TestADeletedModelDoesNotArrive(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	arrivals := NewArrivals(b.Service, t.TempDir())
	for id, content := range map[string]string{"a": "GGUF a", "b": "GGUF bb", "c": "GGUF ccc"} {
		if err := arrivals.Accept(id, b.parcel("tiny", "m.gguf", content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := arrivals.Accept("other", b.parcel("other", "m.gguf", "GGUF other")); err != nil {
		t.Fatal(err)
	}
	if !arrivals.claim("a") {
		t.Fatal("there is nothing to take")
	}
	if err := b.Delete(t.Context(), "tiny", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	arrivals.take(t.Context(), "a")
	if waiting, err := arrivals.waiting(); err != nil || len(waiting) != 1 || waiting[0].id != "other" {
		t.Errorf("%+v wait, %v", waiting, err)
	}
	if m := b.model("tiny"); m.Status != "" || len(b.shelf.keys()) > 0 {
		t.Errorf("it is %+v, in the storage are %v", m, b.shelf.keys())
	}
	for _, o := range b.ops.List() {
		if want := map[string]fleet.OperationState{"tiny:latest": fleet.OperationCancelled, "other:latest": fleet.OperationWaiting}[o.Model]; o.State != want {
			t.Errorf("%+v", o)
		}
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
