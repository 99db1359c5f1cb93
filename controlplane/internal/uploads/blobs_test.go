package uploads_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

func blobsIn(t *testing.T, folder string, now func() time.Time) *uploads.Blobs {
	t.Helper()
	b := uploads.NewBlobs(uploads.BlobOptions{
		Folder: folder, MaxBytes: func() int64 { return 100 }, KeepFor: 24 * time.Hour, Log: hclog.NewNullLogger(), Now: now,
	})
	if err := b.Load(); err != nil {
		t.Fatal(err)
	}
	return b
}

func filesIn(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A blob that somebody asks for once a day stays, and goes a day after the last of them.
func TestBlobsGoThatNobodyAsksFor(t *testing.T) {
	var passed atomic.Int64
	now := func() time.Time { return noon().Add(time.Duration(passed.Load())) }
	folder := filepath.Join(t.TempDir(), "blobs")
	b := blobsIn(t, folder, now)
	content := []byte("GGUF")
	sum := digest(content)
	if err := b.Put(t.Context(), sum, 4, strings.NewReader("GGUF")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		passed.Add(int64(23 * time.Hour))
		if err := b.Sweep(); err != nil {
			t.Fatal(err)
		}
		if size, err := b.Size(sum); err != nil || size != 4 {
			t.Errorf("%d bytes, %v", size, err)
		}
	}
	passed.Add(int64(24 * time.Hour))
	if err := b.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Size(sum); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a day later: %v", err)
	}
	if left := filesIn(t, folder); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// Nothing stays of what was refused, broke off, or was killed on its way.
func TestWhatIsNoBlobDoesNotStay(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "blobs")
	b := blobsIn(t, folder, time.Now)
	for _, c := range []struct {
		from   io.Reader
		atMost int64
		want   error
		kind   fault.Kind
	}{
		{from: strings.NewReader("another one"), atMost: -1, kind: fault.Invalid},
		{from: strings.NewReader(strings.Repeat("x", 101)), atMost: -1, kind: fault.TooLarge},
		{from: strings.NewReader("GGUF"), atMost: 101, kind: fault.TooLarge},
		{from: io.MultiReader(strings.NewReader("GG"), failing{}), atMost: 4, want: errBroken},
	} {
		err := b.Put(t.Context(), digest([]byte("GGUF")), c.atMost, c.from)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && fault.KindOf(err) != c.kind {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if left := filesIn(t, folder); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if _, err := b.Lend(digest([]byte("GGUF"))); fault.KindOf(err) != fault.NotFound {
		t.Errorf("lent what isn't there: %v", err)
	}
	sum := digest([]byte("GGUF"))
	if err := b.Put(t.Context(), sum, -1, strings.NewReader("GGUF")); err != nil {
		t.Fatal(err)
	}
	if path, err := b.Lend(sum); err != nil {
		t.Errorf("%s, %v", path, err)
	}
	again := blobsIn(t, folder, time.Now) // after a kill before what was lent was taken
	if left := filesIn(t, folder); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
	if size, err := again.Size(sum); err != nil || size != 4 {
		t.Errorf("%d bytes, %v", size, err)
	}
}
