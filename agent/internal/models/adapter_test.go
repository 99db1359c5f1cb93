package models

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// laterPiece is with which piece of its reply a tiny model begins that has a LoRA.
const laterPiece = 5

// late is what it then says.
func late(t *testing.T) string {
	t.Helper()
	pieces, err := tinymodel.Pieces(tinymodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.Join(pieces[laterPiece:], ""))
}

// ofFolder is the job of the files of a folder, of which each is a layer of this role.
func ofFolder(model string, role loader.Role, files map[string][]byte, origin string) *work.Job {
	job := &work.Job{Kind: work.Load, Model: model, Recipe: &loader.Recipe{}, Sources: map[string]work.Source{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		size := int64(len(files[name]))
		job.Recipe.Layers = append(job.Recipe.Layers, loader.Layer{
			Role: role, Name: name, Parts: []loader.Part{{File: name, LengthBytes: size}}, SizeBytes: size, SHA256: shaOf(files[name]),
		})
		job.Sources[name] = work.Source{SizeBytes: size, SHA256: shaOf(files[name]), URLs: []string{origin + "/" + name}}
	}
	return job
}

// TestAnAdapterOnAModel has a LoRA put on a model that is there, as a GGUF and as PEFT
// keeps it, and on one that comes with it.
func TestAnAdapterOnAModel(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	var lora bytes.Buffer
	if err := tinymodel.WriteAdapter(&lora, tinymodel.Options{}, laterPiece); err != nil {
		t.Fatal(err)
	}
	peft, err := tinymodel.AdapterFolder(tinymodel.Options{}, laterPiece)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"m": file, "lora.gguf": lora.Bytes()}
	maps.Copy(all, peft)
	o := newOrigin(t, all)
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}

	job := ofFolder("tuned", loader.RoleAdapter, map[string][]byte{"lora.gguf": lora.Bytes()}, o.URL)
	job.Recipe.From = "tiny"
	got, err := e.Run(t.Context(), job)
	if err != nil || got.Path != wayCreate || got.SizeBytes <= int64(len(file)) {
		t.Fatalf("it came as %+v, %v", got, err)
	}
	if !slices.Contains(s.Blobs(), "sha256-"+shaOf(lora.Bytes())) {
		t.Errorf("the blobs are %v", s.Blobs())
	}

	job = ofFolder("peft", loader.RoleAdapter, peft, o.URL)
	job.Recipe.From, job.Recipe.Convert = "tiny", true
	if got, err = e.Run(t.Context(), job); err != nil || got.Path != wayCreate || got.FreedBytes == 0 {
		t.Fatalf("of PEFT it came as %+v, %v", got, err)
	}
	for name, content := range peft {
		if slices.Contains(s.Blobs(), "sha256-"+shaOf(content)) {
			t.Errorf("of what it was made of there is still %s", name)
		}
	}

	job = plain("both", file, o.URL+"/m")
	with := ofFolder("", loader.RoleAdapter, map[string][]byte{"lora.gguf": lora.Bytes()}, o.URL)
	job.Recipe.Layers = slices.Insert(job.Recipe.Layers, 1, with.Recipe.Layers...)
	maps.Copy(job.Sources, with.Sources)
	if got, err = e.Run(t.Context(), job); err != nil || got.Path != wayPull {
		t.Fatalf("with its model it came as %+v, %v", got, err)
	}
	for model, want := range map[string]string{"tiny": tinymodel.DefaultReply, "tuned": late(t), "peft": late(t), "both": late(t)} {
		if said := ask(t, s, model); said != want {
			t.Errorf("%s says %q, want %q", model, said, want)
		}
	}
}

// TestAFolderOfHuggingFace has Ollama make a GGUF of safetensors, as they are and
// quantised.
func TestAFolderOfHuggingFace(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	folder, err := tinymodel.Folder(tinymodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := newOrigin(t, folder)
	e := executor(t, s)
	for quantise, want := range map[string]string{"": "F16", "q8_0": "Q8_0", "q4_K_M": "Q4_K_M"} {
		name := fmt.Sprintf("folder%s", strings.ToLower(quantise))
		job := ofFolder(name, loader.RoleModel, folder, o.URL)
		job.Recipe.Convert, job.Recipe.Quantize = true, quantise
		job.Recipe.Layers = append(job.Recipe.Layers, plain("", nil).Recipe.Layers[1:]...)
		got, err := e.Run(t.Context(), job)
		if err != nil || got.Path != wayCreate || got.FreedBytes < int64(len(folder["model.safetensors"])) {
			t.Fatalf("%s came as %+v, %v", name, got, err)
		}
		shown, err := e.ollama.Show(t.Context(), name)
		if err != nil || shown.Details.Family != "llama" || shown.Details.Quantization != want {
			t.Errorf("%s is %+v, %v", name, shown, err)
		}
		if said := ask(t, s, name); said != tinymodel.DefaultReply {
			t.Errorf("%s says %q", name, said)
		}
	}
	if left := len(s.Blobs()); left != 3*2+2 { // weights and configuration of each, and two texts
		t.Errorf("left are %v", s.Blobs())
	}
}
