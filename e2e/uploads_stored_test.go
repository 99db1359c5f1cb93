package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestAnUploadIsWrittenOnce uploads a model by tus: in the storage is the very file that the
// bytes came into.
func TestAnUploadIsWrittenOnce(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	operator := controlplane.As(corraltest.Operator)
	content := tiny(t, tinymodel.Options{})
	created := operator.Do("POST", "/api/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(content)),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte("once.gguf")))
	if created.Status != 201 {
		t.Fatalf("%d %s", created.Status, created.Body)
	}
	at := created.Header.Get("Location")
	came, err := os.Stat(filepath.Join(controlplane.DataDir, "uploads", path.Base(at)))
	if err != nil {
		t.Fatal(err)
	}
	sent := operator.Do("PATCH", at, string(content), "Tus-Resumable", "1.0.0", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")
	if sent.Status != 204 {
		t.Fatalf("%d %s", sent.Status, sent.Body)
	}
	awaitModel(t, operator, "once", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	objects := objectsOf(t, controlplane)
	if len(objects) != 1 {
		t.Fatalf("in the storage are %v", objects)
	}
	for object, is := range objects {
		if !os.SameFile(came, is) && exec.CommandContext(t.Context(), "cp", "--reflink=always", object, object+"-copy").Run() != nil {
			t.Errorf("%s was written again", object)
		}
	}
}

// storedIn is where in the data directory the storage is that nobody has configured.
const storedIn = "storage"

// objectsOf returns the files of the storage that nobody has configured, by their paths.
func objectsOf(t *testing.T, c *corraltest.ControlPlane) map[string]os.FileInfo {
	t.Helper()
	var listing struct {
		Files []struct{ Path string }
	}
	c.As(corraltest.Operator).Get("/api/storage/default/files?flat=true").JSON(&listing)
	objects := map[string]os.FileInfo{}
	for _, f := range listing.Files {
		object := filepath.Join(c.DataDir, storedIn, f.Path)
		info, err := os.Stat(object)
		if err != nil {
			t.Fatal(err)
		}
		objects[object] = info
	}
	return objects
}

// TestStoringSurvivesKills uploads models while the storage's plugin is killed again and
// again, and the control plane three times. What was answered is stored, whole and once, and
// nothing is left.
func TestStoringSurvivesKills(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	c, operator := controlplane.API(), controlplane.As(corraltest.Operator)
	awaitStorage(t, c, storageReady, "default", "ready")
	over := make(chan struct{})
	var killing sync.WaitGroup
	kills := 0
	killing.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			if pid := pluginProcess(t.Context(), c, "fs"); pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
				kills++
			}
		}
	})
	contents := map[string]string{}
	for i := range 9 {
		name := fmt.Sprintf("killed-%d", i)
		content := tiny(t, tinymodel.Options{Seed: uint64(i + 1)})
		if got := uploadForm(t, operator, nil, name+".gguf", content); got.Status != 200 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		contents[name] = string(content)
		if i%3 == 2 {
			controlplane.Kill()
			controlplane.Restart()
		}
	}
	close(over)
	killing.Wait()
	if kills == 0 {
		t.Error("nothing was killed")
	}
	for name := range contents {
		awaitModel(t, operator, name, "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	}
	objects := objectsOf(t, controlplane)
	if len(objects) != len(contents) {
		t.Errorf("in the storage are %d files of %d", len(objects), len(contents))
	}
	for object := range objects {
		name := filepath.Base(object)
		if got, err := os.ReadFile(object); err != nil || string(got) != contents[name[:len(name)-len(".gguf")]] {
			t.Errorf("%s has %d bytes, or others: %v", object, len(got), err)
		}
	}
	for _, folder := range []string{"uploads", "arrivals"} {
		corraltest.Await(t, modelLimit, folder+" is empty", corraltest.Until(func() bool {
			left, err := os.ReadDir(filepath.Join(controlplane.DataDir, folder))
			return err == nil && len(left) == 0
		}))
	}
	left, err := os.ReadDir(filepath.Join(controlplane.DataDir, storedIn, ".corral", "unfinished"))
	if err != nil || len(left) > kills+3 { // one at most for each, until the sweep
		t.Errorf("%d kills have left %d files, %v", kills, len(left), err)
	}
	t.Logf("the plugin was killed %d times, which left %d files to the sweep", kills, len(left))
}
