package models

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

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

func TestFilesInAStorageThatAreNoModelAreNotReadForTheirDigests(t *testing.T) {
	b := newBench(t, newShelf(), newHosts())
	p := Parcel{Name: "bad", Files: []ParcelFile{{Path: "bad.gguf", SizeBytes: 40 << 30, Stored: &fleet.ModelFile{Storage: "bucket", Key: "bad.gguf", SizeBytes: 40 << 30}}}}
	if err := b.Take(t.Context(), p); fault.KindOf(err) != fault.Corrupt { // who reads the file finds none
		t.Errorf("error %v", err)
	}
	p.Name, p.Files[0].Path = "good", "good.gguf"
	if err := b.Take(t.Context(), p); fault.KindOf(err) != fault.NotFound {
		t.Errorf("error %v", err)
	}
}

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
