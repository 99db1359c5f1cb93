package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// TestTheJourneyOfAModel takes a model through everything: over a line that breaks ten
// times into S3, to three hosts, one of which is killed under way, into memory, quantised
// by a host, with a LoRA on that, and away again. Then every side has the bytes that it had before, and no more.
func TestTheJourneyOfAModel(t *testing.T) {
	t.Parallel()
	const cuts = 10
	s3 := servertest.S3(t)
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	c, operator := controlplane.API(), controlplane.As(corraltest.Operator)
	names := []string{"one", "three", "two"}
	folders, agents := map[string]string{}, map[string]*corraltest.Agent{}
	for _, name := range names {
		folders[name] = lab.Folder("models-" + name)
		agents[name] = controlplane.Agent(corraltest.AgentOptions{Name: name, Args: corraltest.ManagedOllama(ollamatest.Bin(t), folders[name])})
		agents[name].AwaitServing(serveLimit)
	}
	bucket(t, c, s3)
	if got := controlplane.As(corraltest.Admin).Post("/api/config", object{"models": object{"fetch_rate": 8 << 20}}); got.Status != 200 {
		t.Fatalf("the rate: %d %s", got.Status, got.Body)
	}

	content := tiny(t, tinymodel.Options{Dim: 1024, Layers: 4}) // which takes a few seconds at that rate
	line := newBadLine(t, controlplane.Address, cuts, int64(len(content)/(cuts+1)))
	uploader, err := client.New("http://"+line.listener.Addr().String(), controlplane.Key(corraltest.Operator), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	upload := client.ModelUpload{
		Name: "mine:1b", Storage: "bucket", Files: []client.UploadFile{{Name: "mine.gguf", Content: bytes.NewReader(content), SizeBytes: int64(len(content))}},
	}
	if _, err := uploader.UploadModel(t.Context(), upload, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if left := line.left.Load(); left > 0 {
		t.Errorf("the line broke %d times", cuts-left)
	}
	awaitModel(t, operator, "mine:1b", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	if stored := digests(t, s3.Dir); len(stored) != 1 {
		t.Errorf("the bucket has %v", stored)
	}

	if got := operator.Post("/api/models/mine:1b/download", object{"hosts": []string{"all"}}); got.Status != 202 {
		t.Fatalf("download: %d %s", got.Status, got.Body)
	}
	corraltest.Await(t, modelLimit, "the third host is fetching", func() error { return fetching(operator, "three", int64(len(content))) })
	agents["three"].Kill()
	agents["three"].Restart()
	m := awaitModel(t, operator, "mine:1b", "is on all hosts", func(m catalogued) bool { return slices.Equal(on(m), names) && m.Progress == nil })
	said := controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": "mine:1b", "message": "Who are you?"})
	if said.Status != 200 || !strings.Contains(said.Body, "Hello from Corral") {
		t.Errorf("chat: %d %s", said.Status, said.Body)
	}
	awaitModel(t, operator, "mine:1b", "is in memory", func(m catalogued) bool { return m.Status == "loaded" })

	upload.Name, upload.Quantize, upload.Hosts = "small:1b", "q8_0", []string{"one"}
	if _, err := uploader.UploadModel(t.Context(), upload, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	small := awaitModel(t, operator, "small:1b", "is on a host", func(m catalogued) bool { return slices.Equal(on(m), []string{"one"}) && m.Progress == nil })
	if small.Digest == m.Digest {
		t.Error("quantised it is the same")
	}
	if stored := digests(t, s3.Dir); len(stored) != 1 {
		t.Errorf("the same file is in the bucket as %v", stored)
	}

	lora := adapter(t, tinymodel.Options{Dim: 1024, Layers: 4})
	upload = client.ModelUpload{
		Name: "tuned:1b", From: "small:1b", Storage: "bucket", Hosts: []string{"one"},
		Files: []client.UploadFile{{Name: "lora.gguf", Content: bytes.NewReader(lora), SizeBytes: int64(len(lora))}},
	}
	if _, err := uploader.UploadModel(t.Context(), upload, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitModel(t, operator, "tuned:1b", "is on the host that has what it is for", func(m catalogued) bool { return slices.Equal(on(m), []string{"one"}) && m.Progress == nil })
	if said := says(t, controlplane, "tuned:1b"); said != late(t) {
		t.Errorf("with the LoRA it says %q, want %q", said, late(t))
	}
	if stored := digests(t, s3.Dir); len(stored) != 2 {
		t.Errorf("the bucket has %v", stored)
	}

	all := []string{"tuned:1b", "mine:1b", "small:1b"}
	for _, name := range all {
		if got := operator.Do("DELETE", "/api/models/"+name+"?purge=true", nil); got.Status != 200 {
			t.Errorf("delete %s: %d %s", name, got.Status, got.Body)
		}
	}
	for _, name := range all {
		awaitModel(t, operator, name, "is gone", func(m catalogued) bool { return m.Status == "" })
	}
	for name, folder := range folders {
		if left := blobsOf(t, folder); len(left) > 0 {
			t.Errorf("left on the host %s: %v", name, left)
		}
	}
	if stored := digests(t, s3.Dir); len(stored) > 0 {
		t.Errorf("left in the bucket: %v", stored)
	}
	for _, folder := range []string{"uploads", "arrivals"} {
		entries, err := os.ReadDir(filepath.Join(controlplane.DataDir, folder))
		if err != nil || len(entries) > 0 {
			t.Errorf("left in the folder %s: %v, %v", folder, entries, err)
		}
	}
}

// bucket configures a storage on a server of S3.
func bucket(t *testing.T, c *client.Client, s3 *servertest.S3Server) {
	t.Helper()
	config, err := json.Marshal(object{
		"endpoint": s3.Endpoint, "region": s3.Region, "bucket": s3.Bucket, "access_key_id": s3.AccessKeyID, "secret_access_key": s3.SecretAccessKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	corraltest.Await(t, storageReady, "the plugin of S3 runs", corraltest.Until(func() bool { return pluginProcess(t.Context(), c, "s3") != 0 }))
	if _, err := c.CreateStorage(t.Context(), client.StorageSpec{Name: "bucket", Plugin: "s3", Config: config}, false); err != nil {
		t.Fatal(err)
	}
	awaitStorage(t, c, storageReady, "bucket", "ready")
}

// fetching says why a host is not in the middle of fetching a model.
func fetching(operator *corraltest.Caller, host string, sizeBytes int64) error {
	answer := operator.Get("/api/operations?state=running")
	var list []struct {
		Host      string `json:"host"`
		DoneBytes int64  `json:"done_bytes"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &list); err != nil {
		return err
	}
	for _, o := range list {
		if o.Host == host && o.DoneBytes > sizeBytes/10 {
			return nil
		}
	}
	return fmt.Errorf("operations are %s", answer.Body)
}
