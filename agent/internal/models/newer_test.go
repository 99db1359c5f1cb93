package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
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

// unpulling has an Ollama that can't reach the host it is on: what it gets is created.
func unpulling(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/api/pull" {
		return false
	}
	_, _ = io.WriteString(w, `{"status":"pulling manifest"}`+"\n"+`{"error":"dial tcp 127.0.0.1:9: connect: connection refused"}`+"\n")
	return true
}

// before returns an executor for an Ollama behind what changes it.
func before(t *testing.T, s *realollama.Server, change func(w http.ResponseWriter, r *http.Request) bool) *Executor {
	t.Helper()
	host := order.Host{ID: "h", Ollama: unable(t, s, change), DataDir: t.TempDir(), ModelsDir: s.ModelsDir, Ours: true}
	e := New(host, nil, &Progress{}, hclog.NewNullLogger())
	t.Cleanup(e.Close)
	return e
}

// TestTheNewestOllamaCreates has the newest release make models of files and of models, and
// refuse what it does not do any more.
func TestTheNewestOllamaCreates(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Newest(t))
	file := tiny(t, tinymodel.Options{})
	var lora bytes.Buffer
	if err := tinymodel.WriteAdapter(&lora, tinymodel.Options{}, laterPiece); err != nil {
		t.Fatal(err)
	}
	folder, err := tinymodel.Folder(tinymodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"m": file, "lora.gguf": lora.Bytes()}
	maps.Copy(all, folder)
	o := newOrigin(t, all)
	e := before(t, s, unpulling)
	got, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m"))
	if err != nil || got.Path != wayCreate || !slices.Contains(s.Blobs(), "sha256-"+shaOf(file)) {
		t.Fatalf("it came as %+v, %v; the blobs are %v", got, err, s.Blobs())
	}
	based := &work.Job{Kind: work.Load, Model: "polite", Recipe: &loader.Recipe{From: "tiny", Layers: []loader.Layer{inline(loader.RoleSystem, "Be polite.")}}}
	if got, err = e.Run(t.Context(), based); err != nil || got.Path != wayCreate {
		t.Fatalf("of a model it came as %+v, %v", got, err)
	}
	there, err := e.has(t.Context(), "polite", got.Digest)
	if err != nil || !there {
		t.Errorf("it is not listed with %s, %v", got.Digest, err)
	}

	adapter := ofFolder("tuned", loader.RoleAdapter, map[string][]byte{"lora.gguf": lora.Bytes()}, o.URL)
	adapter.Recipe.From = "tiny"
	quantised := plain("small", file, o.URL+"/m")
	quantised.Recipe.Quantize = "q8_0"
	converted := ofFolder("folder", loader.RoleModel, folder, o.URL)
	converted.Recipe.Convert = true
	for what, job := range map[string]*work.Job{"an adapter": adapter, "quantised": quantised, "converted": converted} {
		if _, err := e.Run(t.Context(), job); fault.KindOf(err) != fault.NotImplemented || fault.SideOf(err) != fault.Ollama {
			t.Errorf("%s: %v, of the kind %v", what, err, fault.KindOf(err))
		}
	}
	models, err := e.ollama.Models(t.Context())
	if err != nil || len(models) != 2 {
		t.Errorf("Ollama lists %+v, %v", models, err)
	}
}

// rewriting is an Ollama before the real one that does what those from 0.30 on did: each
// GGUF that a model is created of is written anew by a program of its own, with other
// bytes, and what came is left.
func rewriting(t *testing.T, s *realollama.Server) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/api/version":
			_, _ = io.WriteString(w, `{"version":"0.30.1"}`)
			return true
		case "/api/create":
		default:
			return unpulling(w, r)
		}
		var asked map[string]any
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		files, _ := asked["files"].(map[string]any)
		for name, digest := range files {
			content, err := os.ReadFile(filepath.Join(s.ModelsDir, "blobs", strings.Replace(digest.(string), ":", "-", 1)))
			if err != nil {
				t.Error(err)
				continue
			}
			content = append(content, make([]byte, 32)...)
			res, err := http.Post(s.URL()+"/api/blobs/sha256:"+shaOf(content), "application/octet-stream", bytes.NewReader(content))
			if err != nil {
				t.Error(err)
				continue
			}
			res.Body.Close()
			files[name] = "sha256:" + shaOf(content)
		}
		body := must(json.Marshal(asked))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return false
	}
}

// TestAnOllamaThatWritesFilesAnew has one that makes another model of the same files: it is
// told by its own digest, what came in vain goes, and room is wanted for all copies.
func TestAnOllamaThatWritesFilesAnew(t *testing.T) {
	t.Parallel()
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	known, err := executor(t, realollama.Serve(t, realollama.Bin(t))).Run(t.Context(), plain("tiny", file, o.URL+"/m"))
	if err != nil {
		t.Fatal(err)
	}
	for _, quantise := range []string{"", "q8_0"} {
		s := realollama.Serve(t, realollama.Bin(t))
		e := before(t, s, rewriting(t, s))
		job := plain("tiny", file, o.URL+"/m")
		job.Recipe.Quantize = quantise
		got, err := e.Run(t.Context(), job)
		if err != nil || got.Path != wayCreate || got.Digest == known.Digest || got.FreedBytes != int64(len(file)) {
			t.Fatalf("%q: it came as %+v, %v, and elsewhere as %+v", quantise, got, err, known)
		}
		if there, err := e.has(t.Context(), "tiny", got.Digest); err != nil || !there {
			t.Errorf("%q: it is not listed with %s, %v", quantise, got.Digest, err)
		}
		if slices.Contains(s.Blobs(), "sha256-"+shaOf(file)) {
			t.Errorf("%q: what it was made of is left: %v", quantise, s.Blobs())
		}
		if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
			t.Errorf("%q: it says %q", quantise, said)
		}
	}
}

func TestAnOllamaThatWritesFilesAnewWantsRoomForThreeCopies(t *testing.T) {
	t.Parallel()
	file := large()
	disk := smallDisk(t, fmt.Sprintf("size=%d", len(file)*5/2))
	s := realollama.Serve(t, realollama.Bin(t), "OLLAMA_MODELS="+disk)
	o := newOrigin(t, map[string][]byte{"m": file})
	job := plain("tiny", file, o.URL+"/m")
	if _, err := before(t, s, rewriting(t, s)).Run(t.Context(), job); fault.KindOf(err) != fault.NoSpace || fault.SideOf(err) != fault.Host {
		t.Errorf("on a disk for two copies: %v", err)
	}
	if n := o.bytes.Load(); n > 0 {
		t.Errorf("%d bytes were fetched", n)
	}
	// One that keeps files as they are needs one.
	if got, err := before(t, s, unpulling).Run(t.Context(), job); err != nil || got.Path != wayCreate {
		t.Errorf("without: %+v, %v", got, err)
	}
}
