package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log" //nolint:depguard // the registry of the tests takes one
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ociregistry "github.com/google/go-containerregistry/pkg/registry"

	"github.com/corral-fleet/corral/plugins/internal/faultproxy"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/servertest"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// leastPart is how large the parts of these tests are.
const leastPart = 64 << 10

// content returns so many bytes, the same each time for one seed.
func content(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it never fails
	return b
}

const ollamaImage = "application/vnd.ollama.image."

// layers are those of a model, as Ollama pushes them.
func layers() []servertest.RegistryLayer {
	return []servertest.RegistryLayer{
		{MediaType: ollamaImage + "model", Content: content(5*leastPart+17, 1)},
		{MediaType: ollamaImage + "template", Content: []byte("{{ .Prompt }}")},
		{MediaType: ollamaImage + "license", Content: []byte("MIT")},
		{MediaType: ollamaImage + "license", Content: []byte("and Apache")},
		{MediaType: ollamaImage + "params", Content: []byte("{}")},
		{MediaType: ollamaImage + "something", Content: []byte("new")},
	}
}

// known are the files of such a model.
func known(folder string, manifest, config []byte) storagetest.Known {
	return storagetest.Known{
		folder + "manifest.json": manifest, folder + "config.json": config, folder + "model.gguf": layers()[0].Content,
		folder + "template": layers()[1].Content, folder + "license": layers()[2].Content, folder + "license-2": layers()[3].Content,
		folder + "params.json": layers()[4].Content, folder + "sha256-" + sumOf([]byte("new")): []byte("new"),
	}
}

func opened(t *testing.T, endpoint string, change func(*settings)) *registry {
	t.Helper()
	var s settings
	s.SetDefaults()
	s.Endpoint, s.PartSize, s.Transfers = endpoint, leastPart, 3
	if change != nil {
		change(&s)
	}
	if err := config.Validate(&s, nil); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.(*registry).Close() })
	return b.(*registry)
}

// as has a user of a server ask.
func as(server *servertest.RegistryServer) func(*settings) {
	return func(s *settings) { s.Username, s.Password = server.Username, config.NewSecret(server.Password) }
}

func TestContract(t *testing.T) {
	for who, username := range map[string]string{"anybody": "", "somebody": "corral"} {
		t.Run(who, func(t *testing.T) {
			server := servertest.Registry(t, username)
			manifest, config := server.Publish("library/tiny", "1b", layers()...)
			for _, folder := range []string{"library/tiny:1b/", "library/tiny@sha256:" + sumOf(manifest) + "/"} {
				t.Run(strings.Split(folder, "/")[1], func(t *testing.T) {
					storagetest.RunKnown(t, known(folder, manifest, config), func(t *testing.T) storage.Backend { return opened(t, server.Endpoint, as(server)) })
				})
			}
		})
	}
}

// oci returns the address of a registry as others have it, with a model in it whose files
// have names, and the model's files by their keys.
func oci(t *testing.T, wrap func(http.Handler) http.Handler) (string, storagetest.Known) {
	t.Helper()
	h := ociregistry.New(ociregistry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	const folder = "tiny:v1/"
	all := storagetest.Known{
		folder + "weights/model.safetensors": content(3*leastPart, 4), folder + "config.json": []byte(`{"architectures":["X"]}`), folder + "config-2.json": []byte("{}"),
	}
	describe := func(path, mediaType string, title bool) descriptor {
		text := all[folder+path]
		send(t, http.MethodPost, server.URL+"/v2/tiny/blobs/uploads/?digest=sha256:"+sumOf(text), "application/octet-stream", text)
		d := descriptor{MediaType: mediaType, Digest: "sha256:" + sumOf(text), Size: int64(len(text))}
		if title {
			d.Annotations = map[string]string{titleAnnotation: path}
		}
		return d
	}
	empty := describe("config-2.json", "application/vnd.oci.empty.v1+json", false)
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociManifest, "config": empty, "layers": []descriptor{
		describe("weights/model.safetensors", "application/octet-stream", true), describe("config.json", "application/json", true),
	}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, http.MethodPut, server.URL+"/v2/tiny/manifests/v1", ociManifest, text)
	all[folder+"manifest.json"] = text
	return server.URL, all
}

func send(t *testing.T, method, address, mediaType string, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("corral", "the-password")
	request.Header.Set("Content-Type", mediaType)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %s", method, address, answer.Status)
	}
}

// basic has a registry want name and password themselves.
func basic(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "corral" || password != "the-password" {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func TestContractWithARegistryOfOCI(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{"open": nil, "with passwords": basic} {
		t.Run(name, func(t *testing.T) {
			address, known := oci(t, wrap)
			storagetest.RunKnown(t, known, func(t *testing.T) storage.Backend {
				return opened(t, address, func(s *settings) { s.Username, s.Password = "corral", config.NewSecret("the-password") })
			})
		})
	}
}

func tryRead(ctx context.Context, b storage.Backend, key string) ([]byte, error) {
	in, err := b.Get(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(in)
	return got, errors.Join(err, in.Close())
}

func listed(t *testing.T, b storage.Backend, prefix string) map[string]storage.Info {
	t.Helper()
	all := map[string]storage.Info{}
	for info, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all[info.Key] = info
	}
	return all
}

func TestEveryFileHasItsDigest(t *testing.T) {
	server := servertest.Registry(t, "")
	manifest, config := server.Publish("library/tiny", "1b", layers()...)
	want := known("library/tiny:1b/", manifest, config)
	got := listed(t, opened(t, server.Endpoint, nil), "library/tiny:1b/")
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("%q", slices.Sorted(maps.Keys(got)))
	}
	for key, text := range want {
		if got[key].SHA256 != sumOf(text) {
			t.Errorf("%+v", got[key])
		}
	}
}

// The files of a model belong together, also where its tag moves while they are fetched.
func TestATagStaysUntilItIsListedAgain(t *testing.T) {
	server := servertest.Registry(t, "")
	server.Publish("library/tiny", "latest", servertest.RegistryLayer{MediaType: ollamaImage + "model", Content: []byte("old")})
	b := opened(t, server.Endpoint, nil)
	listed(t, b, "library/tiny:latest/")
	server.Publish("library/tiny", "latest", servertest.RegistryLayer{MediaType: ollamaImage + "model", Content: []byte("new")})
	if got, err := tryRead(t.Context(), b, "library/tiny:latest/model.gguf"); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	listed(t, b, "library/tiny:latest/")
	if got, err := tryRead(t.Context(), b, "library/tiny:latest/model.gguf"); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestATokenThatIsGoodNoMoreIsReplaced(t *testing.T) {
	server := servertest.Registry(t, "corral")
	server.Publish("library/tiny", "1b", layers()...)
	b := opened(t, server.Endpoint, as(server))
	for range 3 {
		if got, err := tryRead(t.Context(), b, "library/tiny:1b/model.gguf"); err != nil || sumOf(got) != sumOf(layers()[0].Content) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		server.Expire()
	}
}

func TestWrongBytesAreNotTakenForABlob(t *testing.T) {
	server := servertest.Registry(t, "")
	server.Publish("library/tiny", "1b", layers()...)
	server.Spoil(layers()[0].Content)
	got, err := tryRead(t.Context(), opened(t, server.Endpoint, nil), "library/tiny:1b/model.gguf")
	if fault.KindOf(err) != fault.Corrupt || len(got) == len(layers()[0].Content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAWrongManifestIsNotTaken(t *testing.T) {
	address, _ := oci(t, nil)
	proxy := faultproxy.New(t, address)
	b := opened(t, proxy.URL, nil)
	proxy.On(faultproxy.Always(func(*http.Request) bool { return true }, faultproxy.Alter(func(h http.Header) { h.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64)) })))
	if _, err := b.Stat(t.Context(), "tiny:v1/config.json"); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("%v", err)
	}
	for name, text := range map[string]string{
		"no JSON": "<html>", "no manifest": "{}", "no digest": `{"config":{"digest":"sha256:x","size":1}}`, "several": `{"manifests":[{"digest":"sha256:1"},{"digest":"sha256:2"}]}`,
	} {
		proxy.On(faultproxy.Always(func(*http.Request) bool { return true }, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = io.WriteString(w, text) }))
		if _, err := b.Stat(t.Context(), "tiny:v1/config.json"); err == nil || fault.KindOf(err) == fault.Internal || fault.KindOf(err) == fault.NotFound {
			t.Errorf("%s: %v: %v", name, fault.KindOf(err), err)
		}
	}
}

func TestWhatBreaksOffIsReadOn(t *testing.T) {
	address, known := oci(t, nil)
	proxy := faultproxy.New(t, address)
	b := opened(t, proxy.URL, nil)
	const key = "tiny:v1/weights/model.safetensors"
	proxy.On(faultproxy.First(3, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/") }, faultproxy.Cut(20_000)))
	if got, err := tryRead(t.Context(), b, key); err != nil || sumOf(got) != sumOf(known[key]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	proxy.On(faultproxy.Always(faultproxy.Method(http.MethodGet), faultproxy.Refuse(http.StatusTooManyRequests, 30)))
	if _, err := tryRead(t.Context(), b, key); fault.KindOf(err) != fault.RateLimited || fault.RetryAfterOf(err) != 30*time.Second {
		t.Errorf("%v", err)
	}
}

func TestAddresses(t *testing.T) {
	server := servertest.Registry(t, "")
	server.Publish("library/tiny", "1b", layers()...)
	b := opened(t, server.Endpoint, nil)
	signed, err := b.PresignGet(t.Context(), "library/tiny:1b/model.gguf", time.Minute)
	if err != nil || strings.HasPrefix(signed.URL, server.Endpoint) || time.Until(signed.ExpiresAt) < 50*time.Minute {
		t.Errorf("%+v, %v", signed, err)
	}
	if _, err := b.PresignGet(t.Context(), "library/tiny:1b/manifest.json", time.Minute); fault.KindOf(err) != fault.NotImplemented {
		t.Errorf("a manifest: %v", err)
	}
	address, _ := oci(t, nil)
	if _, err := opened(t, address, nil).PresignGet(t.Context(), "tiny:v1/config.json", time.Minute); fault.KindOf(err) != fault.NotImplemented {
		t.Errorf("a registry that sends blobs itself: %v", err)
	}
}

func TestErrorsSayWhatIsToBeDone(t *testing.T) {
	server := servertest.Registry(t, "corral")
	server.Publish("library/tiny", "1b", layers()...)
	wrong := func(s *settings) { s.Username, s.Password = "corral", config.NewSecret("another") }
	for name, c := range map[string]struct {
		settings   func(*settings)
		key, words string
		kind       fault.Kind
	}{
		"no model":      {as(server), "library/none:1b/manifest.json", "no such model", fault.NotFound},
		"no tag":        {as(server), "library/tiny:2b/manifest.json", "no such model", fault.NotFound},
		"no file":       {as(server), "library/tiny:1b/none", "there is no file", fault.NotFound},
		"no key at all": {as(server), "library/tiny/model.gguf", "name:tag/file", fault.NotFound},
		"nobody":        {nil, "library/tiny:1b/manifest.json", "username and password", fault.Unauthenticated},
		"somebody else": {wrong, "library/tiny:1b/manifest.json", "username or password is wrong", fault.Unauthenticated},
	} {
		b := opened(t, server.Endpoint, c.settings)
		if _, err := b.Stat(t.Context(), c.key); fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.words) {
			t.Errorf("%s: %v: %v", name, fault.KindOf(err), err)
		}
	}
	if err := opened(t, server.Endpoint, wrong).Check(t.Context()); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("Check: %v", err)
	}
	for _, err := range opened(t, server.Endpoint, as(server)).List(t.Context(), "library/") {
		if fault.KindOf(err) != fault.NotImplemented || !strings.Contains(fault.MessageOf(err), "library/llama3:8b/") {
			t.Errorf("%v", err)
		}
	}
}

// A registry that is reached by TLS has nobody's password sent without.
func TestAPasswordIsNotSentInTheClear(t *testing.T) {
	asked := false
	clear := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(clear.Close)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+clear.URL+`/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	b := opened(t, server.URL, func(s *settings) {
		s.Username, s.Password, s.CAFile = "corral", config.NewSecret("the-password"), authority
	})
	if _, err := b.Stat(t.Context(), "library/tiny:1b/manifest.json"); fault.KindOf(err) != fault.Forbidden || asked {
		t.Errorf("%v, %v", asked, err)
	}
}

func TestChallengesAreRead(t *testing.T) {
	got := parameters(`realm="https://auth.example.com/token",service="a, b", scope="repository:x:pull,push",error=none`)
	want := map[string]string{"realm": "https://auth.example.com/token", "service": "a, b", "scope": "repository:x:pull,push", "error": "none"}
	if !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
