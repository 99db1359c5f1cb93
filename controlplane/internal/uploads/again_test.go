package uploads_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// keyed is what an upload of two files begins with under a key.
func keyed(key string) uploads.Start {
	return uploads.Start{
		Import: fleet.Import{Name: "m", Hosts: []string{"a"}}, Files: []fleet.UploadFile{{Name: "f", SizeBytes: 5}, {Name: "g", SizeBytes: 7}},
		OwnerID: "k1", Key: key,
	}
}

func (f *fixture) create(start uploads.Start) fleet.Upload {
	f.t.Helper()
	u, err := f.Create(f.t.Context(), start)
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// wantBegun checks how many uploads there are.
func (f *fixture) wantBegun(n int) {
	f.t.Helper()
	list, err := f.store.Uploads(f.t.Context())
	if err != nil || len(list) != n {
		f.t.Errorf("there are %d uploads, %v; want %d: %+v", len(list), err, n, list)
	}
}

func TestTheSameKeyIsTheSameUpload(t *testing.T) {
	f := start(t, nil)
	f.HoldAtMost(2) // so that another one is refused
	u := f.create(keyed("k"))
	if diff := cmp.Diff(u, f.create(keyed("k"))); diff != "" {
		t.Error(diff)
	}
	if _, err := f.add(u, []byte("first"), 5); err != nil {
		t.Fatal(err)
	}
	same := keyed("k")
	same.Name, same.Files[1].Name = "m:latest", "folder/g" // which is the same in one form
	if again := f.create(same); again.ID != u.ID || again.OffsetBytes != 5 {
		t.Errorf("while it comes it is %+v", again)
	}
	f.wantBegun(1)
	f.wantLeft(u.ID, u.ID+"-1")

	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	f = startIn(t, f.dir, nil) // after a restart
	u = f.create(keyed("k"))
	if u.OffsetBytes != 5 {
		t.Errorf("after a restart it is %+v", u)
	}
	done, err := f.add(u, []byte("firstsecond."), 12)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(done, f.create(keyed("k"))); diff != "" {
		t.Errorf("when it is done: %s", diff)
	}
	if took := f.sink.Took(); len(took) != 1 {
		t.Errorf("taken: %+v", took)
	}
	f.wantBegun(1)
}

func TestTheSameKeyWithSomethingElse(t *testing.T) {
	f := start(t, nil)
	u := f.create(keyed("k"))
	for what, change := range map[string]func(*uploads.Start){
		"another name":     func(s *uploads.Start) { s.Name = "n" },
		"another host":     func(s *uploads.Start) { s.Hosts = []string{"b"} },
		"a quantisation":   func(s *uploads.Start) { s.Quantize = "q4_0" },
		"another size":     func(s *uploads.Start) { s.Files[0].SizeBytes = 6 },
		"a digest":         func(s *uploads.Start) { s.Files[0].SHA256 = digest(nil) },
		"one file less":    func(s *uploads.Start) { s.Files = s.Files[:1] },
		"the other order":  func(s *uploads.Start) { s.Files[0], s.Files[1] = s.Files[1], s.Files[0] },
		"nothing that can": func(s *uploads.Start) { s.Files = nil },
	} {
		other := keyed("k")
		change(&other)
		if _, err := f.Create(t.Context(), other); !errors.Is(err, uploads.ErrKeyTaken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.wantBegun(1)
	others := keyed("k")
	others.OwnerID = "k2"
	if got := f.create(others); got.ID == u.ID {
		t.Error("somebody else gets it by the same key")
	}
	if a, b := f.create(keyed("")), f.create(keyed("")); a.ID == b.ID {
		t.Error("without a key it is the same")
	}
	f.wantBegun(4)
}

// Of several that begin under one key at once each gets the same upload.
func TestOneKeyAtOnce(t *testing.T) {
	for name, size := range map[string]int64{"with bytes": 5, "without any": 0} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			what := keyed("k")
			what.Files = what.Files[:1]
			what.Files[0].SizeBytes = size
			ids := make([]string, 16)
			var creating sync.WaitGroup
			for i := range ids {
				creating.Go(func() {
					u, err := f.Create(t.Context(), what)
					if err != nil && !errors.Is(err, uploads.ErrTakenOver) { // by another one of them, to look whether it is done
						t.Error(err)
					}
					ids[i] = u.ID
				})
			}
			creating.Wait()
			f.wantBegun(1)
			u := f.create(what)
			for _, id := range ids {
				if id != u.ID && id != "" {
					t.Errorf("one begins %q, others %q", id, u.ID)
				}
			}
			if size > 0 {
				f.wantLeft(u.ID)
				return
			}
			f.wantLeft()
			if took := f.sink.Took(); u.State != fleet.UploadDone || len(took) != 1 {
				t.Errorf("it is %+v, taken as %+v", u, took)
			}
		})
	}
}

// What ended otherwise than well is not begun anew by a late repetition, until it is
// forgotten.
func TestTheKeyOfAnUploadThatIsOver(t *testing.T) {
	f := start(t, nil)
	failed := keyed("failed")
	failed.Files[0].SHA256 = digest([]byte("other"))
	u := f.create(failed)
	if _, err := f.add(u, []byte("first"), 5); fault.KindOf(err) != fault.Invalid {
		t.Fatal(err)
	}
	if _, err := f.Create(t.Context(), failed); !errors.Is(err, uploads.ErrOver) {
		t.Errorf("one that failed: %v", err)
	}
	f.wantBegun(1)

	u = f.create(keyed("removed"))
	if err := f.Remove(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if again := f.create(keyed("removed")); again.ID == u.ID {
		t.Error("one that was removed is there")
	}

	u = f.create(keyed("expired"))
	f.pass(24 * time.Hour)
	again := f.create(keyed("expired")) // before anybody has swept
	if again.ID == u.ID {
		t.Error("one that has expired is there")
	}
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantLeft(again.ID, again.ID+"-1")
}

// What the sink could not take when its upload began, it is given when that begins again.
func TestKnownContentThatIsBegunAgain(t *testing.T) {
	f := start(t, nil)
	content := []byte("known")
	u := f.create(uploads.Start{Import: fleet.Import{Name: "a"}, Files: []fleet.UploadFile{{Name: "f", SizeBytes: 5}}, Key: "k"})
	if _, err := f.add(u, content, 5); err != nil {
		t.Fatal(err)
	}
	known := uploads.Start{Import: fleet.Import{Name: "b"}, Files: []fleet.UploadFile{{Name: "f", SizeBytes: 5, SHA256: digest(content)}}, Key: "l"}
	f.sink.Refuse(fault.New(fault.Unavailable, "not now"))
	if _, err := f.Create(t.Context(), known); fault.KindOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	f.sink.Refuse(nil)
	if u := f.create(known); u.State != fleet.UploadDone || u.OffsetBytes != 5 {
		t.Errorf("it is %+v", u)
	}
	if took := f.sink.Took(); len(took) != 2 || took[1].Name != "b:latest" {
		t.Errorf("taken: %+v", took)
	}
}
