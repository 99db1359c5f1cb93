package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// What sdk/gguf says of the memory that a model will take is what Ollama says that it took
// once it is loaded. There is no GPU here: all of it is in the host's memory.
func TestEstimateIsWhatOllamaMeasures(t *testing.T) {
	f := func(name string, options gguf.Options, env ...string) {
		t.Run(name, func(t *testing.T) {
			s := ollamatest.Start(t, ollamatest.Options{Env: env})
			for _, architecture := range []tinymodel.Architecture{tinymodel.Llama, tinymodel.Qwen3} {
				compareWithOllama(t, s, architecture, options)
			}
		})
	}
	f("as it comes", gguf.Options{WithoutFlashAttention: true}, "OLLAMA_NUM_PARALLEL=1", "OLLAMA_FLASH_ATTENTION=0")
	f("flash attention and a quantised cache", gguf.Options{Parallel: 2, CacheType: gguf.CacheQ8_0},
		"OLLAMA_NUM_PARALLEL=2", "OLLAMA_FLASH_ATTENTION=1", "OLLAMA_KV_CACHE_TYPE=q8_0")
}

func compareWithOllama(t *testing.T, s *ollamatest.Server, architecture tinymodel.Architecture, options gguf.Options) {
	t.Helper()
	const tokens = 8192
	o := tinymodel.Options{
		Architecture: architecture, ContextLength: tokens,
		Dim: 256, Heads: 8, KVHeads: 8, Layers: 16, FeedForward: 128, // small, but for what it remembers
	}
	var file bytes.Buffer
	if err := tinymodel.Write(&file, o); err != nil {
		t.Fatal(err)
	}
	h, err := gguf.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	options.ContextTokens = tokens
	e, err := gguf.EstimateMemory(h, options)
	if err != nil {
		t.Fatal(err)
	}
	want := e.TotalBytes
	if architecture == tinymodel.Llama {
		want -= e.ComputeBytes // which llama.cpp needs too, and Ollama leaves out
	}
	measured := measure(t, s, string(architecture), o)
	if ratio := float64(want) / float64(measured); ratio < 0.99 || ratio > 1.10 {
		t.Errorf("%s: estimated as %d bytes, measured as %d: %.2f of it", architecture, want, measured, ratio)
	}
}

// measure loads a model and returns how much memory Ollama says that it takes.
func measure(t *testing.T, s *ollamatest.Server, name string, o tinymodel.Options) uint64 {
	t.Helper()
	s.Create(name, o)
	ask(t, http.MethodPost, s.URL+"/api/generate", `{"model":"`+name+`","stream":false}`, nil)
	var running struct {
		Models []struct {
			Model string
			Size  uint64
		}
	}
	ask(t, http.MethodGet, s.URL+"/api/ps", "", &running)
	for _, m := range running.Models {
		if m.Model == name+":latest" {
			return m.Size
		}
	}
	t.Fatalf("%s is not among what Ollama has loaded: %+v", name, running.Models)
	return 0
}

// ask sends a request to an Ollama and decodes the answer into result unless that is nil.
func ask(t *testing.T, method, url, body string, result any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, response.Status)
	}
	if result == nil {
		return
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}
