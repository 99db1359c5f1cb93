package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// plenty is the size of a disk on which the control plane takes uploads: a GiB stays free.
const plenty = 1100 << 20

// TestFullDisks has no room at one place after the other on a model's way: where uploads
// lie and the state is, in a storage, in a host's folder of plugins, and where its Ollama
// keeps models. Each time it is said whose disk has too little, nothing is left, and it
// goes on by itself when there is room.
func TestFullDisks(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	data, store := lab.Disk("data", plenty), lab.Disk("store", 1<<20)
	models, agentData := lab.Disk("models", 1<<20), lab.Disk("agent", 4<<20)
	controlplane := lab.ControlPlaneIn(filepath.Join(data.Path, "controlplane"))
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "one", DataDir: agentData.Path, Args: corraltest.ManagedOllama(ollamatest.Bin(t), models.Path)})
	agent.AwaitServing(serveLimit)
	controlplane.Agent(corraltest.AgentOptions{Name: "two"}).AwaitConnected(connectLimit) // else uploads by Ollama's way are the only host's
	c := controlplane.API()
	b := &besieged{controlplane: controlplane, agent: agent, operator: controlplane.As(corraltest.Operator), models: models.Path}
	awaitStorage(t, c, storageReady, "default", "ready")
	corraltest.Await(t, storageReady, "the plugin runs", corraltest.Until(func() bool { return pluginProcess(t.Context(), c, "rclone") != 0 }))
	yes := true
	for _, s := range []client.StorageSpec{
		{Name: "small", Plugin: "fs", Config: asJSON(t, object{"directory": filepath.Join(store.Path, "files")})},
		{Name: "direct", Plugin: "rclone", Config: asJSON(t, object{"type": "local", "root": lab.Folder("direct")}), HostsRead: &yes},
	} {
		if _, err := c.CreateStorage(t.Context(), s, false); err != nil {
			t.Fatal(err)
		}
		awaitStorage(t, c, storageReady, s.Name, "ready")
	}
	content := tiny(t, tinymodel.Options{})

	t.Log("no room for the upload")
	data.Resize(plenty / 2)
	wantNoRoom(t, "a form", b.uploadFiles(t, map[string]string{"name": "mine"}, map[string][]byte{"mine.gguf": content}), "the server's disk has")
	wantNoRoom(t, "tus", b.tus("POST", "/api/uploads", "", "Upload-Length", fmt.Sprint(len(content)), "Upload-Metadata", metadataOf("name", "mine")), "the server's disk has")
	wantNoRoom(t, "Ollama's way", b.operator.Post("/api/blobs/sha256:"+strings.Repeat("0", 64), string(content)), "the server's disk has")
	data.Resize(plenty)
	upload := b.tus("POST", "/api/uploads", "", "Upload-Length", fmt.Sprint(len(content)), "Upload-Metadata", metadataOf("name", "mine", "storage", "small"))
	if upload.Status != http.StatusCreated {
		t.Fatalf("create: %d %s", upload.Status, upload.Body)
	}
	at := upload.Header.Get("Location")
	data.Resize(plenty / 2)
	wantNoRoom(t, "the bytes", b.tus("PATCH", at, string(content), "Upload-Offset", "0"), "the server's disk has")
	data.Resize(plenty)
	if got := b.tus("PATCH", at, string(content), "Upload-Offset", "0"); got.Status != 204 {
		t.Fatalf("with room: %d %s", got.Status, got.Body)
	}

	t.Log("no room in the storage")
	b.awaitOperation(t, "store", "mine", "tells that its storage is full", func(o operation) bool {
		return o.State == "running" && strings.Contains(o.Message, store.Path) && strings.Contains(o.Message, "bytes free")
	})
	store.Resize(64 << 20)
	awaitModel(t, b.operator, "mine", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	if left, err := os.ReadDir(filepath.Join(store.Path, "files", ".corral", "unfinished")); err != nil || len(left) > 0 {
		t.Errorf("the storage is left with %v, %v", left, err)
	}

	t.Log("no room for the models of the host")
	if got := b.operator.Post("/api/models/mine/download", object{"hosts": []string{"one"}}); got.Status != 202 {
		t.Fatalf("download: %d %s", got.Status, got.Body)
	}
	b.awaitOperation(t, "download", "mine", "tells that the host's disk is full", func(o operation) bool {
		return o.State == "waiting" && o.Host == "one" && o.Code == "no_space" && strings.Contains(o.Error, "disk") && strings.Contains(o.Error, "free")
	})
	models.Resize(64 << 20)
	awaitModel(t, b.operator, "mine", "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })

	t.Log("no room for the plugin of a storage on the host")
	other := tiny(t, tinymodel.Options{Seed: 1})
	if got := b.uploadFiles(t, map[string]string{"name": "other", "storage": "direct", "hosts": "one"}, map[string][]byte{"other.gguf": other}); got.Status != 200 {
		t.Fatalf("upload: %d %s", got.Status, got.Body)
	}
	b.awaitOperation(t, "download", "other", "tells that the agent's disk is full", func(o operation) bool {
		return o.State == "waiting" && o.Code == "no_space" && strings.Contains(o.Error, "plugin") && strings.Contains(o.Error, "more")
	})
	if left, err := filepath.Glob(filepath.Join(agentData.Path, "plugins", "*")); err != nil || len(left) > 0 {
		t.Errorf("the agent is left with %v, %v", left, err)
	}
	agentData.Resize(256 << 20)
	awaitModel(t, b.operator, "other", "is on the host", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })

	t.Log("no room for the state")
	data.Fill()
	full := corraltest.Answer{Status: 200}
	for i := 0; i < 2000 && full.Status == 200; i++ { // until its log has to grow
		full = b.operator.Do("PATCH", "/api/models/mine", object{"description": fmt.Sprint(i, strings.Repeat("x", 1900))})
	}
	wantNoRoom(t, "a change", full, "the disk of the data directory is full")
	if got := b.operator.Get("/api/models/mine"); got.Status != 200 {
		t.Errorf("to look: %d %s", got.Status, got.Body)
	}
	wantNoRoom(t, "an upload", b.tus("POST", "/api/uploads", "", "Upload-Length", "4", "Upload-Metadata", metadataOf("name", "third")), "disk")
	data.Resize(plenty)
	for _, name := range []string{"mine", "other"} {
		corraltest.Await(t, modelLimit, name+" can be deleted again", func() error {
			if got := b.operator.Do("DELETE", "/api/models/"+name+"?purge=true", nil); got.Status != 200 {
				return fmt.Errorf("%d %s", got.Status, got.Body)
			}
			return nil
		})
		awaitModel(t, b.operator, name, "is gone", func(m catalogued) bool { return m.Status == "" })
	}
	b.wantNothingLeft(t)
	if left := digests(t, filepath.Join(store.Path, "files")); len(left) > 0 {
		t.Errorf("left in the storage: %v", left)
	}
}

// operation is what these tests look at of an operation.
type operation struct {
	ID, Kind, Model, Host, State, Phase, Message, Error, Code string

	DoneBytes int64 `json:"done_bytes"`
}

// awaitOperation waits until an operation about a model is as it should be.
func (b *besieged) awaitOperation(t *testing.T, kind, model, sentence string, is func(operation) bool) (o operation) {
	t.Helper()
	corraltest.Await(t, modelLimit, "the "+kind+" of "+model+" "+sentence, func() error {
		var list []operation
		answer := b.operator.Get("/api/operations?model=" + model)
		answer.JSON(&list)
		for _, one := range list {
			if one.Kind == kind && is(one) {
				o = one
				return nil
			}
		}
		return fmt.Errorf("they are %s", answer.Body)
	})
	return o
}

// wantNoRoom wants an answer that a disk is full, with a sentence that has this in it.
func wantNoRoom(t *testing.T, what string, a corraltest.Answer, part string) {
	t.Helper()
	if a.Status != http.StatusInsufficientStorage || !strings.Contains(a.Body, part) {
		t.Errorf("%s: status %d %s", what, a.Status, a.Body)
	}
}

func asJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
