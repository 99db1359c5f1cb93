package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestAnUploadSurvivesItsServer uploads a model with the client that browsers use, and
// kills the server three times meanwhile. The client goes on where it was, what arrives is
// what was sent, and nothing else is left.
func TestAnUploadSurvivesItsServer(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("this test needs Node: %v", err)
	}
	installModules(t, "node")
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	content := tiny(t, tinymodel.Options{})
	file := filepath.Join(t.TempDir(), "survivor.gguf")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	client := exec.CommandContext(t.Context(), node, "resume.js")
	client.Dir, client.Stderr = "node", os.Stderr
	client.Env = append(os.Environ(), "CORRAL_URL="+controlplane.URL(), "CORRAL_KEY="+controlplane.Key(corraltest.Operator),
		"CORRAL_FILE="+file, "CORRAL_PIECE="+strconv.Itoa(len(content)/40))
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
		if kills < 3 && at > (kills+1)*len(content)/4 {
			kills++
			controlplane.Kill()
			controlplane.Restart()
		}
	}
	if err := client.Wait(); err != nil {
		t.Fatal(err)
	}
	if kills != 3 || last != len(content) {
		t.Errorf("%d kills, and the client came to %d of %d", kills, last, len(content))
	}
	operator := controlplane.As(corraltest.Operator)
	awaitModel(t, operator, "survivor", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	var listing struct {
		Files []struct{ Path string }
	}
	operator.Get("/api/storage/default/files?flat=true").JSON(&listing)
	if len(listing.Files) != 1 {
		t.Fatalf("in the storage are %v", listing.Files)
	}
	if got := operator.Get("/api/storage/default/file?path=" + listing.Files[0].Path); got.Body != string(content) {
		t.Errorf("%d bytes came of %d, or others", len(got.Body), len(content))
	}
	for _, folder := range []string{"uploads", "arrivals"} {
		corraltest.Await(t, modelLimit, folder+" is empty", corraltest.Until(func() bool {
			left, err := os.ReadDir(filepath.Join(controlplane.DataDir, folder))
			return err == nil && len(left) == 0
		}))
	}
}
