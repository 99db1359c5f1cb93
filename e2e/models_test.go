package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// modelLimit is how long a small model may take to be where it should be.
const modelLimit = 60 * time.Second

// catalogued is what these tests look at of a model.
type catalogued struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Status      string   `json:"status"`
	Progress    *int     `json:"progress"`
	Digest      string   `json:"digest"`
	Problems    []string `json:"problems"`
	Family      string   `json:"family"`
	Residencies []struct{ Host string }
}

// tiny returns the bytes of a small model that says one thing.
func tiny(t *testing.T, o tinymodel.Options) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := tinymodel.Write(&file, o); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// written writes files to a folder, and returns their paths in the order of their names.
func written(t *testing.T, files map[string][]byte) []string {
	t.Helper()
	folder := t.TempDir()
	var paths []string
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// uploadForm uploads a model in a form, as a dashboard does.
func uploadForm(t *testing.T, c *corraltest.Caller, fields map[string]string, filename string, content []byte) corraltest.Answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", filename)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.Do("POST", "/api/models", body.String(), "Content-Type", form.FormDataContentType())
}

// awaitModel waits until a model is as it should be.
func awaitModel(t *testing.T, c *corraltest.Caller, name, sentence string, is func(catalogued) bool) (m catalogued) {
	t.Helper()
	corraltest.Await(t, modelLimit, name+" "+sentence, func() error {
		answer := c.Get("/api/models/" + name)
		m = catalogued{}
		if answer.Status == 200 {
			if err := json.Unmarshal([]byte(answer.Body), &m); err != nil {
				return err
			}
		}
		if !is(m) {
			return fmt.Errorf("it is %d %s", answer.Status, answer.Body)
		}
		return nil
	})
	return m
}

func on(m catalogued) []string {
	var hosts []string
	for _, r := range m.Residencies {
		hosts = append(hosts, r.Host)
	}
	slices.Sort(hosts)
	return hosts
}

// blobsOf returns the digests of the blobs in a folder of an Ollama's models.
func blobsOf(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, "blobs"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var digests []string
	for _, e := range entries {
		digests = append(digests, strings.TrimPrefix(e.Name(), "sha256-"))
	}
	return digests
}

// TestAModelFromABrowserToTwoHosts uploads a model, brings it to hosts, talks with it, and
// deletes it: nothing is left of it on any side.
func TestAModelFromABrowserToTwoHosts(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	folders := map[string]string{"one": lab.Folder("models-one"), "two": lab.Folder("models-two")}
	for name, folder := range folders {
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Args: corraltest.ManagedOllama(ollamatest.Bin(t), folder)})
		agent.AwaitServing(serveLimit)
	}
	operator := controlplane.As(corraltest.Operator)
	file := tiny(t, tinymodel.Options{})
	sum := sha256.Sum256(file)
	answer := uploadForm(t, operator, map[string]string{"name": "mine:1b", "description": "for tests"}, "mine.gguf", file)
	if answer.Status != 200 {
		t.Fatalf("upload: %d %s", answer.Status, answer.Body)
	}
	m := awaitModel(t, operator, "mine:1b", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	if m.Family == "" {
		t.Errorf("nobody has looked at it: %+v", m)
	}
	if got := operator.Post("/api/models/"+m.ID+"/download", object{"hosts": []string{"one", "two"}}); got.Status != 202 {
		t.Fatalf("download: %d %s", got.Status, got.Body)
	}
	m = awaitModel(t, operator, "mine:1b", "is on both hosts", func(m catalogued) bool {
		return slices.Equal(on(m), []string{"one", "two"}) && m.Progress == nil
	})
	if m.Digest == "" || len(m.Problems) > 0 {
		t.Errorf("it is %+v", m)
	}
	for name, folder := range folders {
		if !slices.Contains(blobsOf(t, folder), hex.EncodeToString(sum[:])) {
			t.Errorf("the host %s has not the file that was uploaded, but %v", name, blobsOf(t, folder))
		}
	}
	said := controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": "mine:1b", "message": "Who are you?"})
	if said.Status != 200 || !strings.Contains(said.Body, `"message"`) {
		t.Errorf("chat: %d %s", said.Status, said.Body)
	}
	if got := operator.Do("DELETE", "/api/models/mine:1b?purge=true", nil); got.Status != 200 {
		t.Fatalf("delete: %d %s", got.Status, got.Body)
	}
	awaitModel(t, operator, "mine:1b", "is gone", func(m catalogued) bool { return m.Status == "" })
	for name, folder := range folders {
		if left := blobsOf(t, folder); len(left) > 0 {
			t.Errorf("left on the host %s: %v", name, left)
		}
	}
	var listing struct{ Files []object }
	operator.Get("/api/storage/default/files?flat=true").JSON(&listing)
	if len(listing.Files) > 0 {
		t.Errorf("left in the storage: %v", listing.Files)
	}
}

// TestAHostReadsAStorageByItsPlugin has a host fetch a model by a plugin that it got from
// the control plane, where a service has no addresses to give away and hosts may.
func TestAHostReadsAStorageByItsPlugin(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "one", Args: corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models"))})
	agent.AwaitServing(serveLimit)
	c, operator := controlplane.API(), controlplane.As(corraltest.Operator)
	config, err := json.Marshal(object{"type": "local", "root": lab.Folder("direct")})
	if err != nil {
		t.Fatal(err)
	}
	corraltest.Await(t, storageReady, "the plugin runs", corraltest.Until(func() bool { return pluginProcess(t.Context(), c, "rclone") != 0 }))
	yes := true
	if _, err := c.CreateStorage(t.Context(), client.StorageSpec{Name: "direct", Plugin: "rclone", Config: config, HostsRead: &yes}, false); err != nil {
		t.Fatal(err)
	}
	awaitStorage(t, c, storageReady, "direct", "ready")
	answer := uploadForm(t, operator, map[string]string{"name": "mine", "storage": "direct", "hosts": "one"}, "mine.gguf", tiny(t, tinymodel.Options{}))
	if answer.Status != 200 {
		t.Fatalf("upload: %d %s", answer.Status, answer.Body)
	}
	awaitModel(t, operator, "mine", "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })
	programs, err := filepath.Glob(filepath.Join(agent.DataDir, "plugins", "sha256-*"))
	if err != nil || len(programs) != 1 {
		t.Errorf("the host has the programs %v, %v", programs, err)
	}
}
