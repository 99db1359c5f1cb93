package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// killedFor is how long files come and go while the plugin is killed each second.
const killedFor = 20 * time.Second

// TestNothingIsLostWhileThePluginIsKilled browses, uploads, downloads and deletes
// through the control plane with S3 underneath, while the plugin is killed every
// second, and looks for each file that was acknowledged where the server of S3 keeps it.
func TestNothingIsLostWhileThePluginIsKilled(t *testing.T) {
	t.Parallel()
	s3 := servertest.S3(t)
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	c := controlplane.API()
	awaitStorage(t, c, storageReady, "default", "ready")
	config, err := json.Marshal(map[string]any{
		"endpoint": s3.Endpoint, "region": s3.Region, "bucket": s3.Bucket, "access_key_id": s3.AccessKeyID, "secret_access_key": s3.SecretAccessKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateStorage(t.Context(), client.StorageSpec{Name: "bucket", Plugin: "s3", Config: config}, false); err != nil {
		t.Fatal(err)
	}
	awaitStorage(t, c, storageReady, "bucket", "ready")

	ctx, stop := context.WithTimeout(t.Context(), killedFor)
	defer stop()
	var kills, failures, browsed atomic.Int64
	var working sync.WaitGroup
	workers := make([]*writer, 3)
	for i := range workers {
		workers[i] = &writer{client: c, folder: fmt.Sprintf("w%d/", i), random: rand.New(rand.NewPCG(uint64(i), 7)), files: map[string]*versions{}} //nolint:gosec // a test's
		working.Go(func() { workers[i].work(ctx, t, &failures) })
	}
	working.Go(func() {
		for ctx.Err() == nil {
			if _, err := c.Files(ctx, "bucket", client.FileQuery{Flat: true}); err == nil {
				browsed.Add(1)
			}
		}
	})
	working.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if pid := pluginProcess(ctx, c, "s3"); pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
				kills.Add(1)
			}
		}
	})
	working.Wait()

	stored, acknowledged := digests(t, s3.Dir), 0
	for _, w := range workers {
		for path, v := range w.files {
			acknowledged += v.acknowledged
			if got := stored[path]; !slices.Contains(v.may, got) {
				t.Errorf("%s is %.12q, and may be %.12q", path, got, v.may)
			}
			delete(stored, path)
		}
	}
	for path := range stored {
		t.Errorf("%s is there, and nobody put it there", path)
	}
	if kills.Load() < int64(killedFor/time.Second)/2 || acknowledged < 20 || browsed.Load() == 0 {
		t.Errorf("%d kills, %d acknowledged, %d times browsed", kills.Load(), acknowledged, browsed.Load())
	}
	t.Logf("%d kills, %d changes acknowledged, %d failed, %d times browsed", kills.Load(), acknowledged, failures.Load(), browsed.Load())
}

// versions is what a file may be now: the one that was acknowledged last, and those
// that were begun since then and failed, of which one may be there all the same. The
// empty one is no file.
type versions struct {
	may          []string
	acknowledged int
}

// writer puts and deletes the files of a folder.
type writer struct {
	client *client.Client
	folder string
	random *rand.Rand
	files  map[string]*versions
}

func (w *writer) work(ctx context.Context, t *testing.T, failures *atomic.Int64) {
	for ctx.Err() == nil {
		path := fmt.Sprintf("%sfile-%d", w.folder, w.random.IntN(12))
		v := w.files[path]
		if v == nil {
			v = &versions{may: []string{""}}
			w.files[path] = v
		}
		content := []byte(nil)
		digest := ""
		if w.random.IntN(5) > 0 {
			content = make([]byte, 1+w.random.IntN(6<<20))
			for i := 0; i < len(content); i += 1 << 10 {
				content[i] = byte(w.random.Uint32())
			}
			sum := sha256.Sum256(content)
			digest = hex.EncodeToString(sum[:])
		}
		switch err := w.change(ctx, path, content); {
		case err == nil:
			v.may = []string{digest}
			v.acknowledged++
			w.read(ctx, t, path, digest)
		case fault.KindOf(err) == fault.Invalid || fault.KindOf(err) == fault.Internal:
			t.Errorf("%s: %v", path, err)
			return
		default:
			failures.Add(1)
			v.may = append(v.may, digest)
		}
	}
}

func (w *writer) change(ctx context.Context, path string, content []byte) error {
	if content == nil {
		return w.client.DeleteFile(ctx, "bucket", path)
	}
	_, err := w.client.Upload(ctx, "bucket", path, bytes.NewReader(content), int64(len(content)))
	return err
}

// read reads a file that was acknowledged. A read may fail; what it reads is whole.
func (w *writer) read(ctx context.Context, t *testing.T, path, want string) {
	in, err := w.client.Download(ctx, "bucket", path)
	if want == "" {
		if err == nil {
			in.Close()
			t.Errorf("%s was deleted and can be read", path)
		}
		return
	}
	if fault.KindOf(err) == fault.NotFound {
		t.Errorf("%s was acknowledged and is not there", path)
	}
	if err != nil {
		return
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err == nil && hex.EncodeToString(sum.Sum(nil)) != want {
		t.Errorf("%s was read whole and is another file", path)
	}
}

// digests returns the sha256 of each file below a folder, by its path there.
func digests(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || !entry.Type().IsRegular() || name[0] == '.' { // what the server keeps for itself
			return err
		}
		content, err := os.ReadFile(path)
		sum := sha256.Sum256(content)
		found[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
