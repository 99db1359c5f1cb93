package ollamatest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// Create puts the model that o describes into the server under the given name.
// It runs on one thread: more of them spend their time waiting for each other
// on a model this small. Where o has a context length, it also runs with it:
// Ollama ends every reply, an endless one too, after ten contexts' worth of
// tokens.
func (s *Server) Create(name string, o tinymodel.Options) {
	s.t.Helper()
	file, digest := s.write(o)
	s.upload(file, digest)
	parameters := map[string]any{"num_thread": 1}
	if o.ContextLength > 0 {
		parameters["num_ctx"] = o.ContextLength
	}
	body, err := json.Marshal(map[string]any{
		"model":      name,
		"files":      map[string]string{"model.gguf": digest},
		"parameters": parameters,
		"stream":     false,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var result struct{ Status string }
	s.do(s.request(http.MethodPost, "/api/create", bytes.NewReader(body)), &result)
	if result.Status != "success" {
		s.t.Fatalf("create %s: Ollama says %q", name, result.Status)
	}
}

// write writes the model to a file and returns its path and digest.
func (s *Server) write(o tinymodel.Options) (path, digest string) {
	s.t.Helper()
	path = filepath.Join(s.t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	hash := sha256.New()
	if err := tinymodel.Write(io.MultiWriter(f, hash), o); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
	return path, fmt.Sprintf("sha256:%x", hash.Sum(nil))
}

func (s *Server) upload(path, digest string) {
	s.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(s.request(http.MethodPost, "/api/blobs/"+digest, f), nil) // closes f
}

func (s *Server) request(method, path string, body io.Reader) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// do sends a request, ends the test when it fails or is refused, and decodes
// the answer into result unless that is nil.
func (s *Server) do(r *http.Request, result any) {
	s.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		s.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	case response.StatusCode/100 != 2:
		s.t.Fatalf("%s %s: %s: %s", r.Method, r.URL.Path, response.Status, body)
	case result == nil:
		return
	}
	if err := json.Unmarshal(body, result); err != nil {
		s.t.Fatalf("%s %s: %v in %s", r.Method, r.URL.Path, err, body)
	}
}
