package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// digestOf names a blob of tests.
func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// newStore is a store with these blobs, and a model of those that stand in refers.
func newStore(t *testing.T, blobs []string, refers ...string) *Store {
	t.Helper()
	s := New(t.TempDir(), "here")
	if err := os.MkdirAll(s.blobs(), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, content := range blobs {
		put(t, s, "sha256-"+digestOf(content), content)
	}
	refer(t, s, "registry.ollama.ai/library/m/latest", refers...)
	return s
}

func put(t *testing.T, s *Store, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.blobs(), name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// refer writes a model of these blobs.
func refer(t *testing.T, s *Store, name string, refers ...string) {
	t.Helper()
	type ref struct {
		Digest string `json:"digest"`
	}
	var m struct {
		Config ref   `json:"config"`
		Layers []ref `json:"layers"`
	}
	for i, content := range refers {
		r := ref{"sha256:" + digestOf(content)}
		if i == 0 {
			m.Config = r
		} else {
			m.Layers = append(m.Layers, r)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, "manifests", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// left returns what is among the blobs; those that have a content by that.
func left(t *testing.T, s *Store, contents ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(s.blobs())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		for _, c := range contents {
			if name == "sha256-"+digestOf(c) {
				name = c
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

const all = "config used orphan"

func TestOrphansGoAfterAnHour(t *testing.T) {
	blobs := strings.Fields(all)
	s := newStore(t, blobs, "config", "used")
	if freed, err := s.Collect(time.Now().Add(50 * time.Minute)); err != nil || freed != 0 {
		t.Errorf("before the hour is over %d bytes are freed, %v", freed, err)
	}
	freed, err := s.Collect(time.Now().Add(61 * time.Minute))
	if err != nil || freed != int64(len("orphan")) {
		t.Errorf("%d bytes are freed, %v", freed, err)
	}
	if diff := cmp.Diff([]string{"config", "used"}, left(t, s, blobs...)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatOllamaCannotGoOnWithGoesAfterAnHour(t *testing.T) {
	broken, good := "sha256-"+digestOf("broken")+"-partial", "sha256-"+digestOf("good")+"-partial"
	s := newStore(t, strings.Fields(all), "config", "used")
	for name, content := range map[string]string{broken: "half", broken + "-0": `{"Size":4}`, broken + "-1": "", good: "half", good + "-0": `{"Size":8}`} {
		put(t, s, name, content)
	}
	if freed, err := s.Collect(time.Now().Add(50 * time.Minute)); err != nil || freed != 0 {
		t.Errorf("%d bytes are freed at once, %v", freed, err)
	}
	if _, err := s.Collect(time.Now().Add(2 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sorted("config", "used", good, good+"-0"), left(t, s, strings.Fields(all)...)); diff != "" {
		t.Error(diff)
	}
}

func TestAConversionThatBrokeOffGoesAfterADay(t *testing.T) {
	s := newStore(t, strings.Fields(all), "config", "used")
	dir := filepath.Join(s.dir, "ollama-safetensors0123")
	if err := os.MkdirAll(filepath.Join(dir, "model"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"fp16456": "half of it", "model/config.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(s.blob(digestOf("orphan")), filepath.Join(dir, "model", "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	// In two hours the file that is converted is old, and the one of it was written just now.
	later := time.Now().Add(2 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "fp16456"), later, later); err != nil {
		t.Fatal(err)
	}
	if freed, err := s.Collect(later); err != nil || freed != 0 {
		t.Errorf("while it converts %d bytes are freed, %v", freed, err)
	}
	freed, err := s.Collect(later.Add(25 * time.Hour))
	if err != nil || freed != int64(len("half of it")+len("{}")+len("orphan")) {
		t.Errorf("%d bytes are freed, %v", freed, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
	if diff := cmp.Diff([]string{"config", "used"}, left(t, s, strings.Fields(all)...)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingGoesWhileSomethingComes(t *testing.T) {
	partial := "sha256-" + digestOf("more") + "-partial"
	for _, name := range []string{partial, partial + "-3", "sha256-1234567", "Q8_03562453063", "q4_K_M77", ourPrefix + "place-1"} {
		t.Run(name, func(t *testing.T) {
			blobs := strings.Fields(all)
			s := newStore(t, blobs, "config", "used")
			put(t, s, name, `{"Size":1}`)
			// In two hours the orphan is old, and bytes have come ten minutes ago.
			written := func(at time.Time) {
				t.Helper()
				if err := os.Chtimes(filepath.Join(s.blobs(), name), at, at); err != nil {
					t.Fatal(err)
				}
			}
			written(time.Now().Add(110 * time.Minute))
			if freed, err := s.Collect(time.Now().Add(2 * time.Hour)); err != nil || freed != 0 || len(left(t, s)) != 4 {
				t.Errorf("%d bytes are freed, %v: %v", freed, err, left(t, s, blobs...))
			}
			// When none has come for an hour the orphan goes; after a day so does the rest.
			written(time.Now())
			if _, err := s.Collect(time.Now().Add(2 * time.Hour)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sorted("config", "used", name), left(t, s, blobs...)); diff != "" {
				t.Error(diff)
			}
			if _, err := s.Collect(time.Now().Add(25 * time.Hour)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"config", "used"}, left(t, s, blobs...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sorted(names ...string) []string {
	slices.Sort(names)
	return names
}

// TestADownloadOfDaysIsKeptAsAWhole has parts that came long before the others.
func TestADownloadOfDaysIsKeptAsAWhole(t *testing.T) {
	s := newStore(t, []string{"config", "used"}, "config", "used")
	partial, other := "sha256-"+digestOf("more")+"-partial", "sha256-"+digestOf("other")+"-partial"
	for name, age := range map[string]time.Duration{partial: 0, partial + "-0": 50 * time.Hour, partial + "-1": 0, other: 50 * time.Hour, other + "-0": 50 * time.Hour} {
		put(t, s, name, "half")
		at := time.Now().Add(100*time.Hour - age)
		if err := os.Chtimes(filepath.Join(s.blobs(), name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Collect(time.Now().Add(100 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sorted("config", "used", partial, partial+"-0", partial+"-1"), left(t, s, "config", "used")); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotOllamasStays(t *testing.T) {
	s := newStore(t, nil)
	put(t, s, "README", "of somebody's")
	put(t, s, "sha256-short", "x")
	if err := os.Symlink("/etc/passwd", s.blob(digestOf("link"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.blob(digestOf("folder")), 0o755); err != nil {
		t.Fatal(err)
	}
	if freed, err := s.Collect(time.Now().Add(1000 * time.Hour)); err != nil || freed != 0 || len(left(t, s)) != 4 {
		t.Errorf("%d bytes are freed, %v: %v", freed, err, left(t, s))
	}
}

// What a model is made of that can't be read is not known.
func TestABrokenManifestKeepsEverything(t *testing.T) {
	s := newStore(t, strings.Fields(all), "config", "used")
	path := filepath.Join(s.dir, "manifests", "registry.ollama.ai/library/broken/latest")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"layers":[{"dig`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(time.Now().Add(1000 * time.Hour)); fault.KindOf(err) != fault.Corrupt || len(left(t, s)) != 3 {
		t.Errorf("%v: %v", err, left(t, s))
	}
}

func TestAStoreWithoutAnything(t *testing.T) {
	s := New(filepath.Join(t.TempDir(), "nothing"), "here")
	if freed, err := s.Collect(time.Now()); err != nil || freed != 0 {
		t.Errorf("%d, %v", freed, err)
	}
	if s.Writable() {
		t.Error("it can be written to")
	}
	if room, err := s.Room(); err != nil || room.FreeBytes <= 0 || room.TotalBytes < room.FreeBytes {
		t.Errorf("its disk has %+v, %v", room, err)
	}
	if _, shared := s.Shared(); !shared {
		t.Error("what is not known counts as one's own")
	}
}

func TestDropSparesWhatIsUsed(t *testing.T) {
	blobs := strings.Fields(all)
	s := newStore(t, blobs, "config", "used")
	freed, err := s.Drop([]string{digestOf("used"), digestOf("orphan"), digestOf("never there")})
	if err != nil || freed != int64(len("orphan")) {
		t.Errorf("%d bytes are freed, %v", freed, err)
	}
	if diff := cmp.Diff([]string{"config", "used"}, left(t, s, blobs...)); diff != "" {
		t.Error(diff)
	}
}

func TestHostsThatShareAFolderSeeEachOther(t *testing.T) {
	dir := t.TempDir()
	a, b := New(dir, "a"), New(dir, "b")
	if reason, shared := a.Shared(); shared {
		t.Fatalf("alone: %s", reason)
	}
	if reason, shared := a.Shared(); shared {
		t.Fatalf("once more: %s", reason)
	}
	if reason, shared := b.Shared(); !shared || !strings.Contains(reason, "host a") {
		t.Errorf("the second: %q, %v", reason, shared)
	}
	if _, shared := a.Shared(); !shared {
		t.Error("the first doesn't see the second")
	}
	long := time.Now().Add(-31 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, ourPrefix+"host-b"), long, long); err != nil {
		t.Fatal(err)
	}
	if reason, shared := a.Shared(); shared {
		t.Errorf("a month after the second has gone: %s", reason)
	}
	for kind, want := range map[int64]bool{0x6969: true, 0xFF534D42: true, 0x01021997: true, 0x65735546: true, 0xEF53: false, 0x58465342: false, 0x01021994: false} {
		if networked(kind) != want {
			t.Errorf("networked(%#x) is %v", kind, !want)
		}
	}
}

func TestPlace(t *testing.T) {
	s := newStore(t, nil)
	from := filepath.Join(s.dir, "from.gguf")
	const content = "a model"
	for name, mode := range map[string]os.FileMode{"that all may read": 0o644, "of one user": 0o600, "that others may change": 0o666} {
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(from); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(from, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(from, mode); err != nil {
				t.Fatal(err)
			}
			var read int64
			if !s.SameDisk(from) {
				t.Error("it is on another disk")
			}
			if err := s.Place(t.Context(), from, digestOf(content), func(n int64) { read += n }); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(s.blob(digestOf(content)))
			if err != nil || string(got) != content || read != int64(len(content)) {
				t.Errorf("the blob is %q, %v, of which %d bytes were read", got, err, read)
			}
			info, err := os.Stat(from)
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("the file's mode is %v now, %v", info.Mode(), err)
			}
			if names := left(t, s); len(names) != 1 {
				t.Errorf("among the blobs are %v", names)
			}
			if mode == 0o666 { // what it is a link to could be changed under Ollama
				if err := os.WriteFile(from, []byte("another"), 0o600); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(s.blob(digestOf(content))); err != nil || string(got) != content {
					t.Errorf("the blob is %q, %v", got, err)
				}
			}
			if err := os.Remove(s.blob(digestOf(content))); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := s.Place(t.Context(), from, digestOf("something else"), func(int64) {}); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("other bytes: %v", err)
	}
	if err := s.Place(t.Context(), "/nowhere", digestOf(content), func(int64) {}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no file: %v", err)
	}
	if names := left(t, s); len(names) != 0 {
		t.Errorf("among the blobs are %v", names)
	}
}
