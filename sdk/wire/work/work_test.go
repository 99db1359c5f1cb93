package work_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// examples have every field.
func examples() map[string]any {
	return map[string]any{
		"job": &work.Job{
			ID: "op-1", Kind: work.Load, Model: "acme/llama:8b",
			Recipe: &loader.Recipe{
				Layers: []loader.Layer{{
					Role: loader.RoleModel, Name: "model.gguf", SizeBytes: 12, SHA256: "ab",
					Parts: []loader.Part{{File: "a.gguf", OffsetBytes: 4, LengthBytes: 8}, {LengthBytes: 4, Inline: []byte("GGUF")}},
				}},
				From: "base:latest", Quantize: "q4_K_M", Convert: true, Renderer: "r", Parser: "p", Requires: "0.17.4",
				Config: json.RawMessage(`{"model_format":"gguf"}`),
			},
			Sources: map[string]work.Source{"a.gguf": {
				SizeBytes: 12, SHA256: "cd", Path: "/srv/a.gguf", URLs: []string{"/agent/v1/blobs/cd?ticket=t", "https://bucket.example/a"},
				Peers: []work.Peer{{URL: "https://10.0.0.7:11437/peer/v1/blobs/cd?ticket=t", PublicKey: []byte("key")}},
				Plugin: &work.Plugin{
					Name: "fs", SHA256: "12", SizeBytes: 34, URLs: []string{"/agent/v1/plugins/12?ticket=t"},
					Config: json.RawMessage(`{"dir":"/srv"}`), ConfigVersion: 2, Secrets: map[string]string{"key": "secret"}, Key: "models/a.gguf",
				},
			}},
			Peers:    map[string][]work.Peer{"ab": {{URL: "https://10.0.0.7:11437/peer/v1/blobs/ab?ticket=t", PublicKey: []byte("key")}}},
			Replaces: []string{"ef"}, MaxBytesPerSecond: 20_000_000,
		},
		"event":  &work.Event{Phase: work.Fetching, DoneBytes: 5, TotalBytes: 12, Message: "from the control plane"},
		"done":   &work.Event{Phase: work.Tidying, DoneBytes: 12, TotalBytes: 12, Done: &work.Result{Digest: "ef", SizeBytes: 12, Path: "pull", FreedBytes: 3}},
		"failed": &work.Event{Phase: work.Importing, Failed: &work.Failure{Kind: "no_space", Side: "host", Message: "the disk is full", Cause: "write: no space left on device", Broke: true}},
	}
}

// TestGolden pins the form of jobs and events: a control plane and its agents may be of
// different versions.
func TestGolden(t *testing.T) {
	for name, example := range examples() {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(example, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (go test ./wire/work -update writes it)", err)
			}
			if diff := cmp.Diff(string(golden), string(got)); diff != "" {
				t.Errorf("(-golden +got):\n%s", diff)
			}
			back := reflect.New(reflect.TypeOf(example).Elem()).Interface()
			strict := json.NewDecoder(bytes.NewReader(golden))
			strict.DisallowUnknownFields()
			if err := strict.Decode(back); err != nil {
				t.Fatal(err)
			}
			if text, err := json.MarshalIndent(back, "", "  "); err != nil || string(text)+"\n" != string(golden) {
				t.Errorf("what was read is written as %s, %v", text, err)
			}
		})
	}
}

// TestExamplesAreWhole holds that a new field is in an example.
func TestExamplesAreWhole(t *testing.T) {
	job := examples()["job"].(*work.Job)
	for _, value := range []any{
		*job, *job.Recipe, job.Recipe.Layers[0], job.Sources["a.gguf"], *job.Sources["a.gguf"].Plugin, job.Sources["a.gguf"].Peers[0],
		*examples()["done"].(*work.Event).Done, *examples()["failed"].(*work.Event).Failed,
	} {
		v := reflect.ValueOf(value)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is in no example", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
}

func TestWhatIsABlobWithTheModel(t *testing.T) {
	part := func(offset, length int64) loader.Part {
		return loader.Part{File: "a", OffsetBytes: offset, LengthBytes: length}
	}
	layer := func(sha string, parts ...loader.Part) loader.Layer {
		l := loader.Layer{Parts: parts, SHA256: sha}
		for _, p := range parts {
			l.SizeBytes += p.LengthBytes
		}
		return l
	}
	inline := loader.Part{LengthBytes: 1, Inline: []byte("x")}
	for name, c := range map[string]struct {
		recipe *loader.Recipe
		sha    string
		want   bool
	}{
		"a whole file":                   {&loader.Recipe{Layers: []loader.Layer{layer("", part(0, 9)), layer("", inline)}}, "cd", true},
		"with its digest":                {&loader.Recipe{Layers: []loader.Layer{layer("cd", part(0, 9))}}, "cd", true},
		"with another digest":            {&loader.Recipe{Layers: []loader.Layer{layer("ef", part(0, 9))}}, "cd", false},
		"of an unknown digest":           {&loader.Recipe{Layers: []loader.Layer{layer("", part(0, 9))}}, "", false},
		"a part of one":                  {&loader.Recipe{Layers: []loader.Layer{layer("", part(0, 8))}}, "cd", false},
		"its end":                        {&loader.Recipe{Layers: []loader.Layer{layer("", part(1, 9))}}, "cd", false},
		"with something more":            {&loader.Recipe{Layers: []loader.Layer{layer("", part(0, 9), inline)}}, "cd", false},
		"whole, and a part of it beside": {&loader.Recipe{Layers: []loader.Layer{layer("", part(0, 9)), layer("", part(0, 8))}}, "cd", false},
		"what is converted":              {&loader.Recipe{Convert: true, Layers: []loader.Layer{layer("", part(0, 9))}}, "cd", false},
		"what is based on a model":       {&loader.Recipe{From: "base", Layers: []loader.Layer{layer("", part(0, 9))}}, "cd", false},
		"another file":                   {&loader.Recipe{Layers: []loader.Layer{layer("", inline)}}, "cd", false},
		"no recipe":                      {nil, "cd", false},
	} {
		job := work.Job{Recipe: c.recipe, Sources: map[string]work.Source{"a": {SizeBytes: 9, SHA256: c.sha}}}
		if got := job.Whole("a"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
