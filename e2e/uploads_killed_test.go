package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/gguftest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestAnUploadSurvivesItsServer uploads models with the client that browsers use, one in
// one file and one in three, and kills the server three times meanwhile. The client goes
// on where it was, what arrives is what was sent, and nothing else is left.
func TestAnUploadSurvivesItsServer(t *testing.T) {
	t.Parallel()
	whole := tiny(t, tinymodel.Options{})
	t.Run("one file", func(t *testing.T) {
		t.Parallel()
		testKilledUpload(t, map[string][]byte{"survivor.gguf": whole})
	})
	t.Run("several files", func(t *testing.T) {
		t.Parallel()
		testKilledUpload(t, gguftest.Split(whole, "survivor", 3))
	})
}

func testKilledUpload(t *testing.T, files map[string][]byte) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("this test needs Node: %v", err)
	}
	installModules(t, "node")
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	paths, total := written(t, files), 0
	for _, content := range files {
		total += len(content)
	}
	client := exec.CommandContext(t.Context(), node, "resume.js")
	client.Dir, client.Stderr = "node", os.Stderr
	client.Env = append(os.Environ(), "CORRAL_URL="+controlplane.URL(), "CORRAL_KEY="+controlplane.Key(corraltest.Operator),
		"CORRAL_FILES="+strings.Join(paths, ","), "CORRAL_PIECE="+strconv.Itoa(total/40))
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	last, kills := 0, 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		at, err := strconv.Atoi(lines.Text())
		if err != nil || at <= last {
			t.Errorf("the client was at %d and then says %q", last, lines.Text())
		}
		last = at
		if kills < 3 && at > (kills+1)*total/4 {
			kills++
			controlplane.Kill()
			controlplane.Restart()
		}
	}
	if err := client.Wait(); err != nil {
		t.Fatal(err)
	}
	if kills != 3 { // it need not have heard of the last piece itself, where the answer was lost with the server
		t.Errorf("%d kills, and the client came to %d of %d", kills, last, total)
	}
	operator := controlplane.As(corraltest.Operator)
	awaitModel(t, operator, "survivor", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	var listing struct {
		Files []struct{ Path string }
	}
	operator.Get("/api/storage/default/files?flat=true").JSON(&listing)
	if len(listing.Files) != len(files) {
		t.Fatalf("in the storage are %v", listing.Files)
	}
	for _, f := range listing.Files {
		want := files[path.Base(f.Path)]
		if got := operator.Get("/api/storage/default/file?path=" + f.Path); got.Body != string(want) {
			t.Errorf("%s: %d bytes came of %d, or others", f.Path, len(got.Body), len(want))
		}
	}
	for _, folder := range []string{"uploads", "arrivals"} {
		corraltest.Await(t, modelLimit, folder+" is empty", corraltest.Until(func() bool {
			left, err := os.ReadDir(filepath.Join(controlplane.DataDir, folder))
			return err == nil && len(left) == 0
		}))
	}
}
