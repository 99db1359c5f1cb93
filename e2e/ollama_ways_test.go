package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestOllamaCommandLineBringsModels has Ollama's own command line make, pull and push
// models where three hosts are connected and it names none of them.
func TestOllamaCommandLineBringsModels(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	servers := map[string]*ollamatest.Server{}
	for _, name := range []string{"alpha", "beta", "gamma"} {
		servers[name] = ollamatest.Start(t, ollamatest.Options{})
		agent := controlplane.Agent(corraltest.AgentOptions{Name: name, Plain: true, Ollama: servers[name].URL})
		agent.AwaitServing(serveLimit)
	}
	operator := controlplane.As(corraltest.Operator)
	cli := newOllamaCLI(t, lab, controlplane, corraltest.Operator)
	folder := lab.Folder("files")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file := tiny(t, tinymodel.Options{})
	write(t, filepath.Join(folder, "model.gguf"), file)
	recipe := filepath.Join(folder, "Modelfile")
	write(t, recipe, []byte("FROM ./model.gguf\nPARAMETER num_thread 1\nSYSTEM Be brief.\n"))

	// A file becomes a model of the catalogue, and a host's.
	cli.wants("create made -f "+recipe, "success")
	made := awaitModel(t, operator, "made", "is where it should be", func(m catalogued) bool { return len(on(m)) == 1 && m.Progress == nil })
	cli.wants("run made Hi", tinymodel.DefaultReply)
	cli.wants("show made --system", "Be brief.")
	cli.wants("show made --parameters", "num_thread")
	sum := sha256.Sum256(file)
	if got := operator.Do("HEAD", "/api/blobs/sha256:"+hex.EncodeToString(sum[:]), nil); got.Status != 200 {
		t.Errorf("the file would be sent again: %d", got.Status)
	}

	// Quantised where it is made.
	cli.wants("create small -q q4_K_M -f "+recipe, "success")
	cli.wants("show small", "Q4_K_M")
	cli.wants("run small Hi", "")

	// A model of the catalogue comes from there, and once.
	cli.wants("pull made", "success")
	if got := on(awaitModel(t, operator, "made", "is still there", func(m catalogued) bool { return m.Progress == nil })); !slices.Equal(got, on(made)) {
		t.Errorf("after it was pulled it is on %v, before on %v", got, on(made))
	}

	// What is made of a model is made where that is.
	write(t, recipe, []byte("FROM made\nSYSTEM Be kind.\n"))
	cli.wants("create kind -f "+recipe, "success")
	cli.wants("show kind --system", "Be kind.")
	if got := on(awaitModel(t, operator, "kind", "is listed", func(m catalogued) bool { return len(m.Residencies) > 0 })); !slices.Equal(got, on(made)) {
		t.Errorf("it is on %v, and what it is made of on %v", got, on(made))
	}

	// A LoRA is put on a model where that is, be it a GGUF or a folder of PEFT, in which the
	// command line wants the weights to be called as a model's.
	lora := adapter(t, tinymodel.Options{})
	write(t, filepath.Join(folder, "lora.gguf"), lora)
	write(t, recipe, []byte("FROM made\nADAPTER ./lora.gguf\n"))
	cli.wants("create tuned -f "+recipe, "success")
	cli.wants("run tuned Hi", late(t))
	peft, err := tinymodel.AdapterFolder(tinymodel.Options{}, laterPiece)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "peft"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range peft {
		write(t, filepath.Join(folder, "peft", strings.Replace(name, "adapter_model", "model", 1)), content)
	}
	write(t, recipe, []byte("FROM made\nADAPTER ./peft\nSYSTEM Be late.\n"))
	cli.wants("create peft -f "+recipe, "success")
	cli.wants("run peft Hi", late(t))
	cli.wants("show peft --system", "Be late.")
	for _, name := range []string{"tuned", "peft"} {
		if got := on(awaitModel(t, operator, name, "is listed", func(m catalogued) bool { return len(m.Residencies) > 0 })); !slices.Equal(got, on(made)) {
			t.Errorf("%s is on %v, and what it is for on %v", name, got, on(made))
		}
	}

	// What one host pushed, another one pulls.
	where := startRegistry(t)
	servers["gamma"].Create(where+"/library/pushed:latest", tinymodel.Options{Seed: 7})
	corraltest.Await(t, reportLimit, "the fleet knows what is to be pushed", corraltest.Until(func() bool { return cli.lists("list", "pushed") }))
	cli.wants("push --insecure "+where+"/library/pushed", "success")
	cli.wants("rm "+where+"/library/pushed", "deleted")
	cli.wants("pull --insecure "+where+"/library/pushed", "success")
	cli.wants("run "+where+"/library/pushed Hi", tinymodel.DefaultReply)
	cli.refuses("pull --insecure "+where+"/library/nope", "file does not exist")
	cli.refuses("push --insecure "+where+"/library/nope", "nope")
	write(t, filepath.Join(folder, "model.gguf"), []byte("GGUF and nothing more"))
	write(t, recipe, []byte("FROM ./model.gguf\n"))
	cli.refuses("create broken -f "+recipe, "Error")
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// startRegistry starts a registry and returns where it is, as the first part of a model's
// name.
func startRegistry(t *testing.T) string {
	t.Helper()
	serve := registry.New(registry.Logger(hclog.NewNullLogger().StandardLogger(nil)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Location", base+r.URL.Path) // Ollama asks where a blob is first
		}
		serve.ServeHTTP(&wholeAddresses{ResponseWriter: w, base: base}, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// wholeAddresses gives addresses in answers as a whole, as Ollama wants them.
type wholeAddresses struct {
	http.ResponseWriter

	base string
}

func (a *wholeAddresses) WriteHeader(status int) {
	if at := a.Header().Get("Location"); strings.HasPrefix(at, "/") {
		a.Header().Set("Location", a.base+at)
	}
	a.ResponseWriter.WriteHeader(status)
}
