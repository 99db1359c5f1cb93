package uploads_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/controlplane/internal/uploads/uploadstest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// fixture is a service on a store and a folder of its own.
type fixture struct {
	*uploads.Service
	t     *testing.T
	dir   string
	sink  *uploadstest.Sink
	store *sqlite.State

	mu  sync.Mutex
	now time.Time
}

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func start(t *testing.T, change func(*uploads.Options)) *fixture {
	t.Helper()
	return startIn(t, t.TempDir(), change)
}

// startIn starts a service on what lies in a folder.
func startIn(t *testing.T, dir string, change func(*uploads.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: dir, now: noon()}
	f.sink = &uploadstest.Sink{Dir: filepath.Join(dir, "models")}
	if err := os.MkdirAll(f.sink.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.OpenState(t.Context(), dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	f.store = store
	t.Cleanup(func() { _ = store.Close() })
	o := uploads.Options{
		Store: store, Sink: f.sink, Folder: filepath.Join(dir, "uploads"), MaxBytes: func() int64 { return 0 },
		KeepFor: 24 * time.Hour, Log: hclog.NewNullLogger(), Now: f.clock,
	}
	if change != nil {
		change(&o)
	}
	f.Service = uploads.New(o)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// begin begins an upload of a file tiny.gguf.
func (f *fixture) begin(size int, sum string) fleet.Upload {
	f.t.Helper()
	u, err := f.Create(f.t.Context(), uploads.Start{Files: []fleet.UploadFile{{Name: "tiny.gguf", SizeBytes: int64(size), SHA256: sum}}, OwnerID: "k1"})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// one is a file that is to be uploaded, with any content.
func one(name string, sizeBytes int64) []fleet.UploadFile {
	return []fleet.UploadFile{{Name: name, SizeBytes: sizeBytes}}
}

// wantLeft checks what lies in the staging folder.
func (f *fixture) wantLeft(names ...string) {
	f.t.Helper()
	entries, err := os.ReadDir(filepath.Join(f.dir, "uploads"))
	if err != nil {
		f.t.Fatal(err)
	}
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	if len(have) != len(names) {
		f.t.Errorf("the folder has %v, want %v", have, names)
	}
	for _, n := range names {
		if !have[n] {
			f.t.Errorf("the folder has %v, and no %s", have, n)
		}
	}
}

// wantTaken checks that the sink has this content, as one file.
func (f *fixture) wantTaken(content []byte) {
	f.t.Helper()
	sum := digest(content)
	got, err := f.sink.Content(sum)
	if err != nil || digest(got) != sum {
		f.t.Errorf("the sink has not what was sent: %v", err)
	}
}

// random returns bytes that are the same in each run.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if kind := fault.KindOf(err); kind != want {
		t.Errorf("error is %v (%v), want kind %v", err, kind, want)
	}
}

// line is a body that comes as a test sends it, and can be broken.
type line struct {
	*io.PipeReader
	send *io.PipeWriter
}

func newLine() line {
	r, w := io.Pipe()
	return line{r, w}
}

func (l line) cut(err error) { _ = l.send.CloseWithError(err) }

func background(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }
