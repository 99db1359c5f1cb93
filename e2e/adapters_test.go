package e2e

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// laterPiece is with which piece of its reply a tiny model begins that has a LoRA.
const laterPiece = 5

// adapter returns a LoRA for a tiny model.
func adapter(t *testing.T, o tinymodel.Options) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := tinymodel.WriteAdapter(&file, o, laterPiece); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// late is what a tiny model says with its LoRA.
func late(t *testing.T) string {
	t.Helper()
	pieces, err := tinymodel.Pieces(tinymodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.Join(pieces[laterPiece:], ""))
}

// says returns what a model answers.
func says(t *testing.T, controlplane *corraltest.ControlPlane, model string) string {
	t.Helper()
	var answer struct{ Message string }
	got := controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": model, "message": "Well?"})
	if got.Status != 200 {
		t.Errorf("%s: %d %s", model, got.Status, got.Body)
		return ""
	}
	got.JSON(&answer)
	return strings.TrimSpace(answer.Message)
}

// filesOf are files to be uploaded.
func filesOf(content map[string][]byte) (files []client.UploadFile) {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		files = append(files, client.UploadFile{Name: name, Content: bytes.NewReader(content[name]), SizeBytes: int64(len(content[name]))})
	}
	return files
}

// TestAFolderOfHuggingFaceWithAnAdapter uploads safetensors, and a LoRA of PEFT for them. A
// host that is to have the LoRA gets first what that is for, and makes both its own.
func TestAFolderOfHuggingFaceWithAnAdapter(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	models := lab.Folder("models")
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "one", Args: corraltest.ManagedOllama(ollamatest.Bin(t), models)})
	agent.AwaitServing(serveLimit)
	c, operator := controlplane.API(), controlplane.As(corraltest.Operator)
	folder, err := tinymodel.Folder(tinymodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	peft, err := tinymodel.AdapterFolder(tinymodel.Options{}, laterPiece)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadModel(t.Context(), client.ModelUpload{Name: "tuned", From: "base", Files: filesOf(peft)}, client.UploadOptions{}); err == nil || !strings.Contains(err.Error(), `"base"`) {
		t.Errorf("for a model that there is not: %v", err)
	}
	if _, err := c.UploadModel(t.Context(), client.ModelUpload{Name: "base", Files: filesOf(folder)}, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitModel(t, operator, "base", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	upload := client.ModelUpload{Name: "tuned", From: "base", Hosts: []string{"one"}, Files: filesOf(peft)}
	if _, err := c.UploadModel(t.Context(), upload, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitModel(t, operator, "tuned", "is on the host", func(m catalogued) bool { return slices.Equal(on(m), []string{"one"}) && m.Progress == nil })
	for model, want := range map[string]string{"base": tinymodel.DefaultReply, "tuned": late(t)} {
		if said := says(t, controlplane, model); said != want {
			t.Errorf("%s says %q, want %q", model, said, want)
		}
	}
	for _, name := range []string{"base", "tuned"} {
		if got := operator.Do("DELETE", "/api/models/"+name+"?purge=true", nil); got.Status != 200 {
			t.Fatalf("delete: %d %s", got.Status, got.Body)
		}
		awaitModel(t, operator, name, "is gone", func(m catalogued) bool { return m.Status == "" })
	}
	if left := blobsOf(t, models); len(left) > 0 {
		t.Errorf("left on the host: %v", left)
	}
}
