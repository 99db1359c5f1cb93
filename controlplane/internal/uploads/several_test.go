package uploads_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// several are files that are uploaded together.
type several [][]byte

// files of the sizes that go wrong: empty ones at each end and beside each other, one byte, and
// such that are no multiple of anything.
func awkward() several {
	var s several
	for _, size := range []int{0, 300_001, 0, 0, 1, 600_007, 0} {
		s = append(s, random(size))
	}
	return s
}

func (s several) whole() []byte { return bytes.Join(s, nil) }

// announced are the files with their digests.
func (s several) announced() []fleet.UploadFile {
	files := make([]fleet.UploadFile, len(s))
	for i, content := range s {
		files[i] = fleet.UploadFile{Name: fmt.Sprintf("m-%05d.gguf", i+1), SizeBytes: int64(len(content)), SHA256: digest(content)}
	}
	return files
}

func (f *fixture) beginSeveral(files []fleet.UploadFile) fleet.Upload {
	f.t.Helper()
	u, err := f.Create(f.t.Context(), uploads.Start{Import: fleet.Import{Name: "m"}, Files: files, OwnerID: "k1"})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// add adds a piece of what is uploaded.
func (f *fixture) add(u fleet.Upload, content []byte, end int) (fleet.Upload, error) {
	from := int(u.OffsetBytes)
	return f.Append(f.t.Context(), u.ID, uploads.Piece{OffsetBytes: u.OffsetBytes, SizeBytes: int64(end - from), Body: bytes.NewReader(content[from:end])})
}

// wantTogether checks that the sink has taken these files, once, as one model.
func (f *fixture) wantTogether(s several) {
	f.t.Helper()
	took := f.sink.Took()
	if len(took) != 1 || len(took[0].Files) != len(s) {
		f.t.Fatalf("taken: %+v", took)
	}
	for i, want := range s.announced() {
		if got := took[0].Files[i]; got.Name != want.Name || got.SizeBytes != want.SizeBytes || got.SHA256 != want.SHA256 {
			f.t.Errorf("taken as %+v, want %+v", got, want)
		}
		f.wantTaken(s[i])
	}
	f.wantLeft()
}

func TestSeveralFilesAreOneUpload(t *testing.T) {
	s := awkward()
	content := s.whole()
	for name, ends := range map[string][]int{
		"at once":                 {len(content)},
		"at the ends of files":    {0, 300_001, 300_002, len(content)},
		"around the ends":         {300_000, 300_001, 300_001, 300_003, len(content) - 1, len(content)},
		"in the middle of files":  {1, 150_000, 400_000, len(content)},
		"across the ends of some": {299_999, 300_003, len(content)},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			u := f.beginSeveral(s.announced())
			if u.SizeBytes != int64(len(content)) {
				t.Fatalf("begun as %+v", u)
			}
			for _, end := range ends {
				var err error
				if u, err = f.add(u, content, end); err != nil || u.OffsetBytes != int64(end) {
					t.Fatalf("to %d: at %d, %v", end, u.OffsetBytes, err)
				}
				seen, err := f.Look(t.Context(), u.ID)
				if err != nil || seen.OffsetBytes != int64(end) || (seen.State == fleet.UploadDone) != (end == len(content)) {
					t.Fatalf("seen as %+v, %v", seen, err)
				}
			}
			f.wantTogether(s)
		})
	}
}

// A line that breaks in any place, the last byte included, loses nothing of what came.
func TestALineThatBreaksBetweenFiles(t *testing.T) {
	s := awkward()
	content := s.whole()
	for _, step := range []int{99_991, 300_001, 300_002, len(content)} {
		f := start(t, nil)
		f.FlushEvery(64 << 10)
		u := f.beginSeveral(s.announced())
		for u.State != fleet.UploadDone {
			at := int(u.OffsetBytes)
			end := min(at+step, len(content))
			var err error
			u, err = f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: u.OffsetBytes, SizeBytes: -1, Body: io.MultiReader(bytes.NewReader(content[at:end]), failing{})})
			if u.OffsetBytes != int64(end) {
				t.Fatalf("at %d, want %d", u.OffsetBytes, end)
			}
			if end < len(content) && !errors.Is(err, errBroken) || end == len(content) && err != nil {
				t.Fatalf("at %d: %v", end, err)
			}
		}
		f.wantTogether(s)
	}
}

// A file that is another one than was announced ends the upload when it is whole, and not
// when all the others have come.
func TestAWrongFileOfSeveral(t *testing.T) {
	s := awkward()
	content := s.whole()
	f := start(t, nil)
	files := s.announced()
	files[1].SHA256 = digest([]byte("another"))
	u := f.beginSeveral(files)
	u, err := f.add(u, content, 300_000)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Append(t.Context(), u.ID, uploads.Piece{OffsetBytes: 300_000, SizeBytes: -1, Body: io.MultiReader(bytes.NewReader(content[300_000:400_000]), endless{})})
	wantKind(t, err, fault.Invalid)
	if want := "the sha256 of the file m-00002.gguf is " + digest(s[1]) + ", not " + files[1].SHA256; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	f.wantLeft()
	if seen, err := f.Look(t.Context(), u.ID); err != nil || seen.State != fleet.UploadFailed {
		t.Errorf("%+v, %v", seen, err)
	}
}

// endless is a body that never ends: who reads it to its end has not noticed.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A piece with a checksum counts as a whole, also where it has the ends of files in it.
func TestChecksumsAcrossFiles(t *testing.T) {
	s := awkward()
	content := s.whole()
	f := start(t, nil)
	u := f.beginSeveral(s.announced())
	sum := sha256.Sum256(content[:500_000])
	piece := func(from io.Reader) error {
		_, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: -1, Body: from, Sum: sha256.New(), Checksum: sum[:]})
		return err
	}
	damaged := bytes.Clone(content[:500_000])
	damaged[7]++ // so that a file that it ends is not what was announced
	for name, err := range map[string]error{
		"damaged": piece(bytes.NewReader(damaged)),
		"cut":     piece(io.MultiReader(bytes.NewReader(content[:400_000]), failing{})),
	} {
		if want := map[string]error{"damaged": uploads.ErrDamaged, "cut": errBroken}[name]; !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if seen, err := f.Look(t.Context(), u.ID); err != nil || seen.OffsetBytes != 0 || seen.State != fleet.UploadReceiving {
		t.Fatalf("%+v, %v", seen, err)
	}
	if err := piece(bytes.NewReader(content[:500_000])); err != nil {
		t.Fatal(err)
	}
	u.OffsetBytes = 500_000
	if _, err := f.add(u, content, len(content)); err != nil {
		t.Fatal(err)
	}
	f.wantTogether(s)
}

// Files that are all known are done at once; where one isn't, all of them have to come.
func TestSeveralFilesThatAreKnown(t *testing.T) {
	s := several{random(1000), random(2000)}
	f := start(t, nil)
	u := f.beginSeveral(s.announced()[:1])
	if _, err := f.add(u, s[0], 1000); err != nil {
		t.Fatal(err)
	}
	u = f.beginSeveral(s.announced())
	if u.State != fleet.UploadReceiving || u.OffsetBytes != 0 {
		t.Fatalf("begun as %+v", u)
	}
	if _, err := f.add(u, s.whole(), 3000); err != nil {
		t.Fatal(err)
	}
	u = f.beginSeveral(s.announced())
	if u.State != fleet.UploadDone || u.OffsetBytes != 3000 {
		t.Errorf("begun as %+v", u)
	}
	if files := f.sink.Took()[2].Files; files[0].Path != "" || files[1].Path != "" || files[1].SHA256 != digest(s[1]) {
		t.Errorf("taken as %+v", files)
	}
	f.wantLeft()
}

func TestListsOfFilesThatAreRefused(t *testing.T) {
	f := start(t, func(o *uploads.Options) { o.MaxBytes = func() int64 { return 1000 } })
	many := make([]fleet.UploadFile, 1001)
	for i := range many {
		many[i].Name = fmt.Sprint(i)
	}
	for name, c := range map[string]struct {
		files []fleet.UploadFile
		want  fault.Kind
	}{
		"none":                     {nil, fault.Invalid},
		"too many":                 {many, fault.Invalid},
		"one name twice":           {slices.Concat(one("f", 1), one("a/f", 1)), fault.Invalid},
		"one without a name":       {slices.Concat(one("f", 1), one("", 1)), fault.Invalid},
		"together too large":       {slices.Concat(one("f", 600), one("g", 401)), fault.TooLarge},
		"one that lacks another":   {one("half.gguf", 1), fault.Invalid},
		"more than can be counted": {slices.Concat(one("f", math.MaxInt64-1), one("g", math.MaxInt64-1)), fault.TooLarge},
	} {
		if _, err := f.Create(t.Context(), uploads.Start{Import: fleet.Import{Name: "m"}, Files: c.files}); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	f.wantLeft()
	if u := f.beginSeveral(many[:1000]); u.State != fleet.UploadDone {
		t.Errorf("a thousand empty files are %s", u.State)
	}
}

// What ends an upload of several files leaves none of them, and a start keeps those of one
// that goes on.
func TestNothingIsLeftOfSeveralFiles(t *testing.T) {
	s := awkward()
	content := s.whole()
	dir := t.TempDir()
	f := startIn(t, dir, nil)
	removed, expired, lost, kept := f.beginSeveral(s.announced()), f.beginSeveral(s.announced()), f.beginSeveral(s.announced()), f.beginSeveral(s.announced())
	for _, u := range []*fleet.Upload{&removed, &expired, &lost, &kept} {
		var err error
		if *u, err = f.add(*u, content, 400_000); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Remove(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}
	f.pass(23 * time.Hour)
	var err error
	if kept, err = f.add(kept, content, 400_001); err != nil {
		t.Fatal(err)
	}
	if lost, err = f.add(lost, content, 400_001); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "uploads", lost.ID+"-5")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.add(lost, content, 500_000); !errors.Is(err, uploads.ErrOver) {
		t.Errorf("what came is lost, and: %v", err)
	}
	var names []string
	for i := range s {
		names = append(names, stagedAs(kept.ID, i))
	}
	f.wantLeft(names...)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	again := startIn(t, dir, nil)
	again.wantLeft(names...)
	if _, err := again.add(kept, content, len(content)); err != nil {
		t.Fatal(err)
	}
	again.wantTogether(s)
}

// Uploads that are begun and left don't take more and more of the server.
func TestHowManyFilesAreKnown(t *testing.T) {
	three := several{random(1), random(2), random(3)}.announced()
	dir := t.TempDir()
	f := startIn(t, dir, nil)
	begin := func(want fault.Kind, files []fleet.UploadFile) fleet.Upload {
		t.Helper()
		u, err := f.Create(t.Context(), uploads.Start{Import: fleet.Import{Name: "m"}, Files: files})
		if fault.KindOf(err) != want {
			t.Fatalf("%v, want %v", err, want)
		}
		return u
	}
	f.HoldAtMost(5)
	first := begin(fault.None, three)
	begin(fault.RateLimited, three)
	begin(fault.NoSpace, one("f", 1<<60)) // which leaves its place to the next ones
	begin(fault.None, three[:2])
	begin(fault.RateLimited, three[:1])
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	f = startIn(t, dir, nil)
	f.HoldAtMost(5)
	begin(fault.RateLimited, three[:1])
	if err := f.Remove(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	begin(fault.None, three)
}

// Files that each fit, and together don't, take none of the disk: what they took would serve
// nobody.
func TestSeveralFilesThatDontFitTogether(t *testing.T) {
	const half = 600 << 20
	dir := t.TempDir()
	f := startIn(t, dir, func(o *uploads.Options) { o.ReserveBytes = math.MinInt64 / 2 })
	u := f.beginSeveral(slices.Concat(one("f", half), one("g", half)))
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	f = startIn(t, dir, func(o *uploads.Options) { o.ReserveBytes = int64(disk.Bavail)*disk.Bsize - half - half/2 })
	_, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: -1, Body: strings.NewReader("x")})
	wantKind(t, err, fault.NoSpace)
	for i := range u.Files {
		var is unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, "uploads", stagedAs(u.ID, i)), &is); err != nil || is.Blocks != 0 {
			t.Errorf("a file has %d blocks, %v", is.Blocks, err)
		}
	}
}

// More than was announced is another thing than was announced, also where the last file is
// empty.
func TestMoreThanSeveralFiles(t *testing.T) {
	s := awkward()
	f := start(t, nil)
	u := f.beginSeveral(s.announced())
	_, err := f.Append(t.Context(), u.ID, uploads.Piece{SizeBytes: -1, Body: io.MultiReader(bytes.NewReader(s.whole()), strings.NewReader("x"))})
	wantKind(t, err, fault.TooLarge)
	f.wantLeft()
}

// noting is a store that keeps a copy of each state that was noted.
type noting struct {
	fleet.UploadStore

	mu    sync.Mutex
	noted []fleet.Upload
}

func (s *noting) SaveUpload(ctx context.Context, u fleet.Upload) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Files = slices.Clone(u.Files)
	s.noted = append(s.noted, u)
	return s.UploadStore.SaveUpload(ctx, u)
}

// A kill leaves what was noted last. From each state that is ever noted an upload goes on to
// files of the right digests.
func TestEachStateThatIsNotedIsOneToGoOnFrom(t *testing.T) {
	s := awkward()
	content := s.whole()
	for _, flushBytes := range []int64{1, 1 << 20} {
		var store *noting
		f := start(t, func(o *uploads.Options) {
			store = &noting{UploadStore: o.Store}
			o.Store = store
		})
		f.FlushEvery(flushBytes)
		u := f.beginSeveral(s.announced())
		for _, end := range []int{1, 300_001, 300_002, 600_000, len(content)} {
			var err error
			if u, err = f.add(u, content, end); err != nil {
				t.Fatal(err)
			}
		}
		if len(store.noted) < 6 { // each request, and what is done
			t.Errorf("%d states were noted", len(store.noted))
		}
		for _, noted := range store.noted {
			if noted.State == fleet.UploadDone {
				continue
			}
			after := start(t, nil)
			killed := after.beginSeveral(s.announced())
			noted.ID = killed.ID
			for i := range s {
				if err := os.WriteFile(filepath.Join(after.dir, "uploads", stagedAs(killed.ID, i)), s[i], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := after.store.SaveUpload(t.Context(), noted); err != nil {
				t.Fatal(err)
			}
			if noted.State == fleet.UploadReceiving && noted.OffsetBytes == noted.SizeBytes {
				t.Error("a client would believe that an upload is whole, and nobody would hand it on")
			}
			if _, err := after.add(noted, content, len(content)); err != nil {
				t.Errorf("from %d: %v", noted.OffsetBytes, err)
			}
			after.wantTogether(s)
		}
	}
}

// stagedAs is what the file of an upload is called while it comes.
func stagedAs(id string, file int) string {
	if file == 0 {
		return id
	}
	return fmt.Sprintf("%s-%d", id, file)
}
