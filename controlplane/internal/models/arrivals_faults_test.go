package models

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// takes has arrivals be taken until the test ends, or the function returned is called.
func (b *bench) takes(a *Arrivals) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
		ended <- nil
	}
	b.t.Cleanup(stop)
	return stop
}

// entries returns the names of what is in a folder.
func entries(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// operationsOf returns the states of the operations about a model.
func (b *bench) operationsOf(model string) (states []fleet.OperationState, last string) {
	for _, o := range b.ops.List() {
		if fleet.SameModel(o.Model, model) {
			states, last = append(states, o.State), o.ID
		}
	}
	return states, last
}

func TestAFullDiskKeepsNothingOfAParcel(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	folder := t.TempDir()
	arrivals := NewArrivals(b.Service, folder)
	part := filepath.Join(folder, "u1.part")
	if err := errors.Join(os.Mkdir(part, 0o700), os.Symlink("/dev/full", filepath.Join(part, parcelFile))); err != nil {
		t.Fatal(err)
	}
	p := b.parcel("tiny", "m.gguf", "GGUF one")
	local := p.Files[0].Local
	if err := arrivals.Accept("u1", p); fault.KindOf(err) != fault.NoSpace {
		t.Errorf("error %v", err)
	}
	if p.Files[0].Local != local {
		t.Errorf("whose file is now said to be at %q", p.Files[0].Local)
	}
	if left := entries(t, folder); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	if states, _ := b.operationsOf("tiny"); len(states) > 0 {
		t.Errorf("its operations are %v", states)
	}
	if err := arrivals.Accept("u1", p); err != nil { // now there is room
		t.Fatal(err)
	}
	b.takes(arrivals)
	b.await("it is stored", func() bool { return b.model("tiny").Status == fleet.ModelStored })
}

func TestWhatAKillLeftOfParcelsGoes(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	folder := t.TempDir()
	arrivals := NewArrivals(b.Service, folder)
	if err := arrivals.Accept("whole", b.parcel("tiny", "m.gguf", "GGUF one")); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"form.part", "upload.part", "taken.gone"} {
		if err := errors.Join(os.Mkdir(filepath.Join(folder, left), 0o700), os.WriteFile(filepath.Join(folder, left, "0"), []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	after := newBench(t, newShelf(), newHosts()) // which has lost the operation as well
	arrivals = NewArrivals(after.Service, folder)
	if err := arrivals.Load(map[string]bool{"upload": true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"upload.part", "whole"}, entries(t, folder)); diff != "" {
		t.Errorf("left are (-want +got)\n%s", diff)
	}
	if m := after.model("tiny"); m.Status != fleet.ModelUploading {
		t.Errorf("what waits is %+v", m)
	}
	if err := NewArrivals(after.Service, filepath.Join(folder, "none")).Load(nil); err != nil {
		t.Errorf("without a folder: %v", err)
	}
}

// An upload whose last step was not noted hands its files on again, which are long gone.
func TestAParcelThatWasTakenIsNotMissed(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	folder := t.TempDir()
	arrivals := NewArrivals(b.Service, folder)
	b.takes(arrivals)
	for _, p := range []Parcel{b.parcel("tiny", "m.gguf", "GGUF one"), b.parcel("bad", "bad.gguf", "pickle")} {
		if err := arrivals.Accept(p.Name, p); err != nil {
			t.Fatal(err)
		}
		b.await(p.Name+" is taken", func() bool {
			states, _ := b.operationsOf(p.Name)
			return len(states) == 1 && states[0].Ended()
		})
		for deadline := time.Now().Add(20 * time.Second); len(entries(t, folder)) > 0 && time.Now().Before(deadline); { // which nobody tells of
			time.Sleep(time.Millisecond)
		}
		if err := arrivals.Accept(p.Name, p); err != nil {
			t.Errorf("%s again: %v", p.Name, err)
		}
		if states, _ := b.operationsOf(p.Name); len(states) != 1 {
			t.Errorf("the operations of %s are %v", p.Name, states)
		}
	}
	p := b.parcel("other", "m.gguf", "GGUF other")
	if err := os.Remove(p.Files[0].Local); err != nil {
		t.Fatal(err)
	}
	if err := arrivals.Accept("other", p); fault.KindOf(err) != fault.Conflict {
		t.Errorf("one of which nothing is known: %v", err)
	}
	if left := entries(t, folder); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

func TestAParcelThatWaitsIsCancelled(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.shelf.fail(errors.New("disk on fire"))
	folder := t.TempDir()
	arrivals := NewArrivals(b.Service, folder)
	for _, name := range []string{"a", "b", "cancelled", "deleted"} { // of which two are taken at once
		if err := arrivals.Accept(name, b.parcel(name, "m.gguf", "GGUF "+name)); err != nil {
			t.Fatal(err)
		}
	}
	_, id := b.operationsOf("cancelled")
	if _, err := b.ops.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "deleted", Deletion{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, entries(t, folder)); diff != "" {
		t.Errorf("left are (-want +got)\n%s", diff)
	}
	b.takes(arrivals)
	b.shelf.fail(nil)
	b.await("the others are stored", func() bool {
		return b.model("a").Status == fleet.ModelStored && b.model("b").Status == fleet.ModelStored
	})
	for _, name := range []string{"cancelled", "deleted"} {
		if states, _ := b.operationsOf(name); !slices.Equal(states, []fleet.OperationState{fleet.OperationCancelled}) || b.model(name).Status != "" {
			t.Errorf("%s is %+v, and its operations are %v", name, b.model(name), states)
		}
	}
}

// A storage can have a file although the answer to that was lost.
func TestWhatACancelledParcelLeftInItsStorageGoes(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.shelf.onTouch(func(string) error {
		_, id := b.operationsOf("tiny")
		if _, err := b.ops.Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
		b.shelf.onTouch(nil)
		return fault.New(fault.Canceled, "nobody waits for it any more")
	})
	if err := b.Take(t.Context(), b.parcel("tiny", "m.gguf", "GGUF one")); fault.KindOf(err) != fault.Conflict {
		t.Errorf("error %v", err)
	}
	if keys := b.shelf.keys(); len(keys) != 0 {
		t.Errorf("left over in the storage: %v", keys)
	}
}

func TestAModelComesWhileOneOfItsNameGoes(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	b.take("tiny", "GGUF one")
	going, let := make(chan struct{}), make(chan struct{})
	b.shelf.onTouch(func(string) error {
		b.shelf.onTouch(nil)
		close(going)
		<-let
		return nil
	})
	if err := b.Delete(t.Context(), "tiny", Deletion{Purge: true}); err != nil {
		t.Fatal(err)
	}
	<-going
	taken := make(chan error, 1)
	go func() { taken <- b.Take(t.Context(), b.parcel("tiny", "m.gguf", "GGUF two")) }()
	b.await("the next one waits for that", func() bool {
		return slices.ContainsFunc(b.ops.UnderWay(), func(o fleet.Operation) bool { return o.Kind == fleet.StoreOperation })
	})
	close(let)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	if m := b.model("tiny"); m.Status != fleet.ModelStored || m.SizeBytes != 8 || len(b.shelf.keys()) != 1 {
		t.Errorf("it is %+v, and in the storage are %v", m, b.shelf.keys())
	}
}
