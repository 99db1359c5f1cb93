package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
)

// TestAStoreInAnArchiveIsTheSameElsewhere packs the folder of an Ollama's models, and has
// another one make of the archive the very model that was in it.
func TestAStoreInAnArchiveIsTheSameElsewhere(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := ollamatest.Start(t, ollamatest.Options{Env: []string{"OLLAMA_MODELS=" + folder}})
	l, _ := startLoader(t, "loader-gguf")
	files, recipe := planned(t, l, map[string][]byte{"tiny.gguf": tiny(t, tinymodel.Options{})}, loader.Options{System: "Be brief."})
	perform(t, first.URL, load("whole", files, recipe))
	want := listed(t, first.URL)["whole:latest"]
	if len(want) != 64 {
		t.Fatalf("it has the digest %q", want)
	}

	var tarred, zipped bytes.Buffer
	packed := tar.NewWriter(&tarred)
	if err := packed.AddFS(os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(tarred.Bytes()))
	stored := zip.NewWriter(&zipped)
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		if h.Typeflag != tar.TypeReg {
			continue
		}
		w, err := stored.CreateHeader(&zip.FileHeader{Name: h.Name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		var content bytes.Buffer
		if _, err := content.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stored.Close(); err != nil {
		t.Fatal(err)
	}

	modelfile, _ := startLoader(t, "loader-modelfile")
	second := ollamatest.Start(t, ollamatest.Options{})
	for name, content := range map[string][]byte{"store.tar": tarred.Bytes(), "store.zip": zipped.Bytes()} {
		files, recipe := planned(t, modelfile, map[string][]byte{name: content}, loader.Options{})
		perform(t, second.URL, load("back", files, recipe))
		if got := listed(t, second.URL)["back:latest"]; got != want {
			t.Errorf("of %s it has the digest %s, want %s", name, got, want)
		}
		if said, told := chat(t, second.URL, "back"); said != tinymodel.DefaultReply || told != "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n" {
			t.Errorf("of %s it is told %q, and answers %q", name, told, said)
		}
	}
}

// listed returns the digests of an Ollama's models by their names.
func listed(t *testing.T, ollama string) map[string]string {
	t.Helper()
	got, err := http.Get(ollama + "/api/tags")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	var answer struct {
		Models []struct{ Name, Digest string }
	}
	if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range answer.Models {
		all[m.Name] = m.Digest
	}
	return all
}

// TestAModelOfARegistryIsWhatItIsThere has a host get a model from a registry that is a
// storage: with all that its manifest has, and so with its digest.
func TestAModelOfARegistryIsWhatItIsThere(t *testing.T) {
	t.Parallel()
	const image = "application/vnd.ollama.image."
	server := servertest.Registry(t, "")
	manifest, _ := server.Publish("library/tiny", "1b",
		servertest.RegistryLayer{MediaType: image + "model", Content: tiny(t, tinymodel.Options{})},
		servertest.RegistryLayer{MediaType: image + "template", Content: []byte("<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n")},
		servertest.RegistryLayer{MediaType: image + "license", Content: []byte("Free.")},
		servertest.RegistryLayer{MediaType: image + "params", Content: []byte(`{"stop":["<|im_end|>"],"num_thread":1}`)},
	)
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "one", Args: corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models"))})
	agent.AwaitServing(serveLimit)
	c := controlplane.API()
	config, err := json.Marshal(object{"endpoint": server.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	corraltest.Await(t, storageReady, "the plugin runs", corraltest.Until(func() bool { return pluginProcess(t.Context(), c, "registry") != 0 }))
	if _, err := c.CreateStorage(t.Context(), client.StorageSpec{Name: "registry", Plugin: "registry", Config: config}, false); err != nil {
		t.Fatal(err)
	}
	awaitStorage(t, c, storageReady, "registry", "ready")
	source := "registry" + server.Endpoint[len("http"):] + "/library/tiny:1b/"
	if _, err := c.ImportModel(t.Context(), client.ModelImport{Source: source, Name: "mine:1b", Hosts: []string{"one"}}); err != nil {
		t.Fatal(err)
	}
	m := awaitModel(t, controlplane.As(corraltest.Operator), "mine:1b", "is on the host", func(m catalogued) bool { return slices.Equal(on(m), []string{"one"}) && m.Progress == nil })
	if sum := sha256.Sum256(manifest); m.Digest != hex.EncodeToString(sum[:]) {
		t.Errorf("it has the digest %s, want %x", m.Digest, sum)
	}
	if said := says(t, controlplane, "mine:1b"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}
