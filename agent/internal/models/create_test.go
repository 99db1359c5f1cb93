package models

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

func TestAModelIsQuantised(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	job := plain("tiny", file, o.URL+"/m")
	job.Recipe.Quantize = "q8_0"
	e := executor(t, s)
	got, err := e.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != wayCreate || got.FreedBytes < int64(len(file))/2 {
		t.Errorf("it came as %+v", got)
	}
	models, err := e.ollama.Models(t.Context())
	if err != nil || len(models) != 1 || models[0].Name != "tiny:latest" || models[0].Digest != got.Digest || models[0].Size != got.SizeBytes {
		t.Errorf("Ollama lists %+v, and the result is %+v, %v", models, got, err)
	}
	if slices.Contains(s.Blobs(), "sha256-"+shaOf(file)) {
		t.Errorf("what it was made of is left: %v", s.Blobs())
	}
	shown, err := e.ollama.Show(t.Context(), "tiny")
	if err != nil || shown.Details.Quantization != "Q8_0" {
		t.Errorf("it is %+v, %v", shown, err)
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

func TestAModelThatIsBasedOnAnother(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	based := &work.Job{Kind: work.Load, Model: "polite", Recipe: &loader.Recipe{
		From:   "tiny",
		Layers: []loader.Layer{inline(loader.RoleSystem, "Be polite."), inline(loader.RoleLicense, "Free."), inline(loader.RoleMessages, `[{"role":"user","content":"hi"}]`)},
	}}
	if _, err := e.Run(t.Context(), based); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "tiny") {
		t.Errorf("without its base: %v", err)
	}
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	got, err := e.Run(t.Context(), based)
	if err != nil || got.Path != wayCreate {
		t.Fatalf("it came as %+v, %v", got, err)
	}
	if said := ask(t, s, "polite"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

// An error of a creation comes within a stream whose status says that all is well.
func TestAFileThatOllamaDoesNotTake(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	job := plain("tiny", file, o.URL+"/m")
	job.Recipe.Quantize = "q5_K_M" // which Ollama does not make
	e := executor(t, s)
	if _, err := e.Run(t.Context(), job); fault.KindOf(err) != fault.NotImplemented || fault.SideOf(err) != fault.Ollama || !strings.Contains(err.Error(), "Q5_K_M") {
		t.Errorf("it ended with %v", err)
	}
	unoffered(t, e)
}

func TestAnUploadThatIsNotWhatItShouldBe(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": make([]byte, len(file))})
	job := plain("tiny", file, o.URL+"/m")
	job.Recipe.Quantize = "q8_0"
	e := executor(t, s)
	if _, err := e.Run(t.Context(), job); fault.KindOf(err) != fault.Corrupt || fault.SideOf(err) != fault.Service {
		t.Errorf("it ended with %v", err)
	}
	unoffered(t, e)
}

// unable is an Ollama before the real one that refuses some requests.
func unable(t *testing.T, s *realollama.Server, refuse func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	at, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	proxy.FlushInterval = -1
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !refuse(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// TestAnOllamaThatDoesNotPullIsGivenTheFile has one that can't reach the registry, as
// in a container of its own, and one that wants something else of it.
func TestAnOllamaThatDoesNotPullIsGivenTheFile(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]string{
		"elsewhere": `pull model manifest: Get "http://127.0.0.1:9/v2/…": dial tcp 127.0.0.1:9: connect: connection refused`,
		"stricter":  `http: no Location header in response`,
	} {
		t.Run(name, func(t *testing.T) {
			s := realollama.Serve(t, realollama.Bin(t))
			file := tiny(t, tinymodel.Options{})
			o := newOrigin(t, map[string][]byte{"m": file})
			front := unable(t, s, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/api/pull" {
					return false
				}
				var asked struct{ Model string }
				if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
					t.Error(err)
				}
				if name == "stricter" {
					path := strings.Replace(asked.Model, "/", "/v2/", 1)
					res, err := http.Get("http://" + strings.TrimSuffix(path, ":latest") + "/manifests/latest")
					if err != nil {
						t.Error(err)
						return true
					}
					res.Body.Close()
				}
				_, _ = io.WriteString(w, `{"status":"pulling manifest"}`+"\n"+`{"error":`+string(must(json.Marshal(said)))+`}`+"\n")
				return true
			})
			e := New(order.Host{ID: "h", Ollama: front, DataDir: t.TempDir(), ModelsDir: s.ModelsDir, Ours: true}, nil, &Progress{}, hclog.NewNullLogger())
			t.Cleanup(e.Close)
			got, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m"))
			if err != nil || got.Path != wayCreate {
				t.Fatalf("it came as %+v, %v", got, err)
			}
			if answer := ask(t, s, "tiny"); answer != tinymodel.DefaultReply {
				t.Errorf("it says %q", answer)
			}
			if now := e.progress.Now(); now.DoneBytes > now.TotalBytes {
				t.Errorf("it is at %d of %d bytes", now.DoneBytes, now.TotalBytes)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
