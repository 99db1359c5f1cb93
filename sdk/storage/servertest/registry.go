package servertest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// RegistryServer serves models as Ollama's registry does: manifests itself, and blobs from
// another host that it sends on to, which knows nobody. Who asks needs a token, which is
// given to anybody, or to one user alone.
type RegistryServer struct {
	Endpoint           string
	Username, Password string // "" lets everybody have a token

	cdn string

	mu        sync.Mutex
	manifests map[string][]byte // by NAME:TAG and NAME@DIGEST
	blobs     map[string][]byte // by digest
	tokens    map[string]bool
	strange   []string
}

// RegistryLayer is a layer of a model that is published.
type RegistryLayer struct {
	MediaType string
	Title     string // the name of its file, as OCI has it; "" is none
	Content   []byte
}

// Registry returns a server without models, until the end of the test. With a name, it
// gives tokens to who has that and the password alone.
func Registry(t testing.TB, username string) *RegistryServer {
	t.Helper()
	s := &RegistryServer{Username: username, manifests: map[string][]byte{}, blobs: map[string][]byte{}, tokens: map[string]bool{}}
	if username != "" {
		s.Password = rand.Text()
	}
	cdn := httptest.NewServer(http.HandlerFunc(s.serveSigned))
	t.Cleanup(cdn.Close)
	s.cdn = strings.Replace(cdn.URL, "127.0.0.1", "localhost", 1) // which is another host
	registry := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(registry.Close)
	s.Endpoint = registry.URL
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, what := range s.strange {
			t.Errorf("the host that blobs are sent on to was asked with %s", what)
		}
	})
	return s
}

// descriptor is a blob as a manifest names it.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Publish gives a tag of a name a model of these layers, and returns its manifest and
// configuration.
func (s *RegistryServer) Publish(name, tag string, layers ...RegistryLayer) (manifest, config []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config = fmt.Appendf(nil, `{"model_format":"gguf","made_for":%q}`, tag)
	content := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, "application/vnd.docker.distribution.manifest.v2+json", s.keep(RegistryLayer{"application/vnd.docker.container.image.v1+json", "", config}), nil}
	for _, l := range layers {
		content.Layers = append(content.Layers, s.keep(l))
	}
	manifest, err := json.Marshal(content)
	if err != nil {
		panic(err) // it is made of what can be written
	}
	s.manifests[name+":"+tag], s.manifests[name+"@"+digestOf(manifest)] = manifest, manifest
	return manifest, config
}

func (s *RegistryServer) keep(l RegistryLayer) descriptor {
	d := descriptor{MediaType: l.MediaType, Digest: digestOf(l.Content), Size: len(l.Content)}
	if l.Title != "" {
		d.Annotations = map[string]string{"org.opencontainers.image.title": l.Title}
	}
	s.blobs[d.Digest] = l.Content
	return d
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Expire has the tokens that were given so far be good no more.
func (s *RegistryServer) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Spoil has a blob become other bytes, of the same size.
func (s *RegistryServer) Spoil(content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[digestOf(content)] = make([]byte, len(content))
}

// serve serves /v2/NAME/manifests/REFERENCE and /v2/NAME/blobs/DIGEST.
func (s *RegistryServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		s.serveToken(w, r)
		return
	}
	if token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !s.tokens[token] {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="registry, of a test",scope="repository:any:pull,push"`, s.Endpoint))
		refuseAs(w, http.StatusUnauthorized, "UNAUTHORIZED")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "" {
		w.WriteHeader(http.StatusOK)
		return
	}
	if name, digest, is := strings.Cut(path, "/blobs/"); is && name != "" {
		if _, is := s.blobs[digest]; !is {
			refuseAs(w, http.StatusNotFound, "BLOB_UNKNOWN")
			return
		}
		http.Redirect(w, r, s.cdn+"/"+digest+"?X-Amz-Date="+time.Now().UTC().Format("20060102T150405Z")+"&X-Amz-Expires=3600&X-Amz-Signature=x", http.StatusTemporaryRedirect)
		return
	}
	name, reference, _ := strings.Cut(path, "/manifests/")
	manifest := s.manifests[name+map[bool]string{true: "@", false: ":"}[strings.Contains(reference, ":")]+reference]
	if manifest == nil {
		refuseAs(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		return
	}
	w.Header().Set("Docker-Content-Digest", digestOf(manifest))
	w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
	_, _ = w.Write(manifest) // who has gone needs no answer
}

func (s *RegistryServer) serveToken(w http.ResponseWriter, r *http.Request) {
	if name, password, _ := r.BasicAuth(); s.Username != "" && (name != s.Username || password != s.Password) {
		refuseAs(w, http.StatusUnauthorized, "UNAUTHORIZED")
		return
	}
	if q := r.URL.Query(); q.Get("service") != "registry, of a test" || q.Get("scope") != "repository:any:pull,push" {
		refuseAs(w, http.StatusBadRequest, "UNSUPPORTED")
		return
	}
	token := rand.Text()
	s.tokens[token] = true
	answerJSON(w, map[string]any{"token": token, "expires_in": 300})
}

func refuseAs(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	answerJSON(w, map[string]any{"errors": []any{map[string]any{"code": code}}})
}

// serveSigned is the other host.
func (s *RegistryServer) serveSigned(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	content, is := s.blobs[strings.TrimPrefix(r.URL.Path, "/")]
	if is && r.Header.Get("Authorization") != "" { // else it is for somebody who had the port before
		s.strange = append(s.strange, "somebody's token")
	}
	s.mu.Unlock()
	if !is || r.URL.Query().Get("X-Amz-Signature") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}
