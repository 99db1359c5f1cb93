package models

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// TestAModelOfPiecesWhoseDigestNobodyKnows puts a file together of bytes of the recipe
// and ranges of two files, as of a model that came in shards.
func TestAModelOfPiecesWhoseDigestNobodyKnows(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	a, b := append([]byte("junk"), file[100:1_000_000]...), append(bytes.Clone(file[1_000_000:]), "junk"...)
	o := newOrigin(t, map[string][]byte{"a": a, "b": b})
	job := plain("tiny", file)
	job.Recipe.Layers[0].SHA256 = ""
	job.Recipe.Layers[0].Parts = []loader.Part{
		{LengthBytes: 100, Inline: file[:100]},
		{File: "a", OffsetBytes: 4, LengthBytes: 1_000_000 - 100},
		{File: "b", LengthBytes: int64(len(file)) - 1_000_000},
	}
	job.Sources = map[string]work.Source{
		"a": {SizeBytes: int64(len(a)), URLs: []string{o.URL + "/a"}},
		"b": {SizeBytes: int64(len(b)), URLs: []string{o.URL + "/b"}},
	}
	e := executor(t, s)
	got, err := e.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
	if n, twice := o.bytes.Load(), 2*int64(len(file)-100); n != twice {
		t.Errorf("%d bytes were sent, and not %d", n, twice)
	}
	known, err := executor(t, s).Run(t.Context(), plain("tiny", file, o.URL+"/none"))
	if err != nil || known.Digest != got.Digest {
		t.Errorf("the same with its digest known is %+v, %v, and not %+v", known, err, got)
	}
	var all int64
	for _, l := range job.Recipe.Layers {
		all += l.SizeBytes
	}
	if now := e.progress.Now(); now.TotalBytes != 2*all || now.DoneBytes != now.TotalBytes {
		t.Errorf("it ended at %d of %d bytes, and %d are read twice", now.DoneBytes, now.TotalBytes, all)
	}
}

func TestRecipesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	for name, test := range map[string]struct {
		change func(job *work.Job)
		kind   fault.Kind
	}{
		"a file that nobody has":    {func(j *work.Job) { j.Recipe.Layers[0].Parts[0].File = "other" }, fault.Invalid},
		"beyond the end":            {func(j *work.Job) { j.Recipe.Layers[0].Parts[0].OffsetBytes = 1 }, fault.Invalid},
		"an overflow":               {func(j *work.Job) { j.Recipe.Layers[0].Parts[0].OffsetBytes = 1<<63 - 1 }, fault.Invalid},
		"a negative length":         {func(j *work.Job) { j.Recipe.Layers[0].Parts[0].LengthBytes = -1 }, fault.Invalid},
		"another size":              {func(j *work.Job) { j.Recipe.Layers[0].SizeBytes++ }, fault.Invalid},
		"less inline than it says":  {func(j *work.Job) { j.Recipe.Layers[1].Parts[0].LengthBytes++; j.Recipe.Layers[1].SizeBytes++ }, fault.Invalid},
		"inline with other bytes":   {func(j *work.Job) { j.Recipe.Layers[1].SHA256 = strings.Repeat("0", 64) }, fault.Corrupt},
		"no source":                 {func(j *work.Job) { j.Sources["model.gguf"] = work.Source{SizeBytes: int64(len(file))} }, fault.NotFound},
		"a newer Ollama":            {func(j *work.Job) { j.Recipe.Requires = "0.99.0" }, fault.Conflict},
		"a role that isn't known":   {func(j *work.Job) { j.Recipe.Layers[1].Role = "soul" }, fault.NotImplemented},
		"a configuration of others": {func(j *work.Job) { j.Recipe.Config = json.RawMessage(`[1]`) }, fault.Invalid},
		"a name that leaves":        {func(j *work.Job) { j.Recipe.Quantize, j.Recipe.Layers[0].Name = "q8_0", "../x" }, fault.Invalid},
		"parameters of others": {func(j *work.Job) {
			j.Recipe.Quantize, j.Recipe.Layers[2] = "q8_0", inline(loader.RoleParameters, "[1]")
		}, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			job := plain("tiny", file, "http://127.0.0.1:1/m")
			test.change(job)
			e := executor(t, s)
			if _, err := e.Run(t.Context(), job); fault.KindOf(err) != test.kind {
				t.Errorf("%v, which is %v and not %v", err, fault.KindOf(err), test.kind)
			}
			unoffered(t, e)
		})
	}
	if left := s.Blobs(); len(left) > 0 {
		t.Errorf("among the blobs are %v", left)
	}
}

// TestWhatWasFetchedOfAnotherFile leaves half of a lie behind, on which Ollama goes on.
func TestWhatWasFetchedOfAnotherFile(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := large()
	o := newOrigin(t, map[string][]byte{"m": file})
	var lied atomic.Bool
	half := make(chan struct{})
	o.set(func(w http.ResponseWriter, r *http.Request, file []byte) bool {
		send(w, r, make([]byte, len(file)), len(file)/2)
		if lied.CompareAndSwap(false, true) {
			close(half)
		}
		<-r.Context().Done()
		return true
	})
	e := executor(t, s)
	e.timing.Stall = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		<-half
		for e.progress.Now().DoneBytes < int64(len(file)/2)-1_000_000 {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	})
	if _, err := e.Run(ctx, plain("tiny", file, o.URL+"/m")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	watching.Wait()
	o.set(nil)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	if said := ask(t, s, "tiny"); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
}

func TestALoadedModelIsUnloadedAndRemoved(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	ask(t, s, "tiny")
	if loaded, err := e.ollama.Loaded(t.Context()); err != nil || len(loaded) != 1 {
		t.Fatalf("loaded are %v, %v", loaded, err)
	}
	got, err := e.Run(t.Context(), &work.Job{Kind: work.Remove, Model: "tiny"})
	if err != nil || got.FreedBytes < int64(len(file)) {
		t.Errorf("%+v, %v", got, err)
	}
	if loaded, err := e.ollama.Loaded(t.Context()); err != nil || len(loaded) != 0 {
		t.Errorf("loaded are %v, %v", loaded, err)
	}
	unoffered(t, e)
	if got, err := e.Run(t.Context(), &work.Job{Kind: work.Remove, Model: "tiny"}); err != nil || got.FreedBytes != 0 {
		t.Errorf("once more: %+v, %v", got, err)
	}
}

// TestWhatAKilledWorkerLeft has a model under the name of one on its way, and the next
// job take that away.
func TestWhatAKilledWorkerLeft(t *testing.T) {
	t.Parallel()
	s := realollama.Serve(t, realollama.Bin(t))
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	if _, err := e.Run(t.Context(), plain("first", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	left := "127.0.0.1:4711/corral-0123456789abcdef0123456789abcdef/model:latest"
	if err := e.ollama.Copy(t.Context(), "first", left); err != nil {
		t.Fatal(err)
	}
	if err := e.ollama.Delete(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), plain("tiny", file, o.URL+"/m")); err != nil {
		t.Fatal(err)
	}
	if n := o.bytes.Load(); n != int64(len(file)) {
		t.Errorf("%d bytes were sent of a file of %d", n, len(file))
	}
	models, err := e.ollama.Models(t.Context())
	if err != nil || len(models) != 1 || models[0].Name != "tiny:latest" {
		t.Errorf("Ollama lists %+v, %v", models, err)
	}
}
