package models

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/models/store"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// smallDisk mounts a disk of this size. Without root the test is skipped, or fails if
// CORRAL_MUST_RUN names mounts.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "mounts") {
			t.Fatalf("mount a disk: %v", err)
		}
		t.Skipf("mount a disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestADiskThatIsTooSmallIsToldBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "size=60m")
	s := realollama.Serve(t, realollama.Bin(t), "OLLAMA_MODELS="+disk)
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	for name, job := range map[string]*work.Job{"pulled": plain("tiny", file, o.URL+"/m"), "created": func() *work.Job {
		job := plain("tiny", file, o.URL+"/m")
		job.Recipe.Quantize = "q4_K_M"
		return job
	}()} {
		_, err := e.Run(t.Context(), job)
		if fault.KindOf(err) != fault.NoSpace || fault.SideOf(err) != fault.Host || !strings.Contains(err.Error(), "MiB are free") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := o.requests.Load(); n > 0 {
		t.Errorf("the source was asked %d times", n)
	}
}

func TestADiskThatFillsUpMeanwhile(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "size=80m")
	s := realollama.Serve(t, realollama.Bin(t), "OLLAMA_MODELS="+disk)
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	other := filepath.Join(disk, "other")
	var once sync.Once
	o.set(func(w http.ResponseWriter, r *http.Request, file []byte) bool {
		once.Do(func() {
			var st syscall.Statfs_t
			if err := syscall.Statfs(disk, &st); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(other, make([]byte, int64(st.Bavail)*st.Bsize-20<<20), 0o600); err != nil {
				t.Error(err)
			}
		})
		return false
	})
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); fault.KindOf(err) != fault.NoSpace || fault.SideOf(err) != fault.Host {
		t.Errorf("it ended with %v", err)
	}
	unoffered(t, e)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

func TestWhatCreatingTakes(t *testing.T) {
	t.Parallel()
	const s = 1000
	for _, test := range []struct {
		recipe  loader.Recipe
		version string
		want    int64
	}{
		{loader.Recipe{}, "v0.17.4", 0},
		{loader.Recipe{}, "v0.30.0", 2 * s},
		{loader.Recipe{}, "v0.34.2", 0},
		{loader.Recipe{}, "v99.0.0", 2 * s}, // which is somebody's own
		{loader.Recipe{Quantize: "q4_K_M"}, "v0.17.4", 2 * 350},
		{loader.Recipe{Quantize: "Q8_0"}, "v0.34.2", 2 * 550},
		{loader.Recipe{Convert: true}, "v0.17.4", 2 * s},
		{loader.Recipe{Convert: true}, "v0.34.2", 3 * s},
		{loader.Recipe{Convert: true, Quantize: "q4_K_S"}, "v0.17.4", 2 * s},
		{loader.Recipe{Convert: true, Quantize: "f32"}, "v0.17.4", 5 * s},
	} {
		if got := createBytes(&test.recipe, s, test.version); got != test.want {
			t.Errorf("%+v with %s takes %d beside its files, want %d", test.recipe, test.version, got, test.want)
		}
	}
}

func TestCollectingWithARealOllama(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	junk := []byte("what nobody refers to")
	if err := e.ollama.Upload(t.Context(), "sha256:"+shaOf(junk), strings.NewReader(string(junk)), int64(len(junk))); err != nil {
		t.Fatal(err)
	}
	if got, err := e.Run(t.Context(), &work.Job{Kind: work.Collect}); err != nil || got.FreedBytes != 0 || len(s.Blobs()) != 5 {
		t.Errorf("at once: %+v, %v, %v", got, err, s.Blobs())
	}
	if freed, err := store.New(s.ModelsDir, "").Drop([]string{shaOf(junk), shaOf(file)}); err != nil || freed != int64(len(junk)) || len(s.Blobs()) != 4 {
		t.Errorf("%d bytes are freed, %v, %v", freed, err, s.Blobs())
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}
