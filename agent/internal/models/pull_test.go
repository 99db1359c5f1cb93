package models

import (
	"slices"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// The oldest that the tests have runs models; the newest lists and shows them.
func TestAModelIsPulled(t *testing.T) {
	t.Parallel()
	digests := map[string]string{}
	for name, bin := range map[string]string{"oldest": realollama.Bin(t), "newest": realollama.Newest(t)} {
		t.Run(name, func(t *testing.T) { digests[name] = pulled(t, realollama.Serve(t, bin), name == "oldest") })
	}
	if digests["oldest"] != digests["newest"] {
		t.Errorf("one model has several digests: %v", digests)
	}
}

// pulled takes a model into an Ollama, another one in its place, and that one away. It
// returns the first one's digest.
func pulled(t *testing.T, s *realollama.Server, runs bool) (digest string) {
	t.Helper()
	file := tiny(t, tinymodel.Options{})
	o := newOrigin(t, map[string][]byte{"m": file})
	e := executor(t, s)
	got, err := e.Run(t.Context(), plain("acme/tiny:v1", file, o.URL+"/m"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != wayPull || len(got.Digest) != 64 {
		t.Errorf("it came as %+v", got)
	}
	models, err := e.ollama.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(models) != 1 || models[0].Name != "acme/tiny:v1" || models[0].Digest != got.Digest || models[0].Size != got.SizeBytes {
		t.Errorf("Ollama lists %+v, and the result is %+v", models, got)
	}
	if !slices.Contains(s.Blobs(), "sha256-"+shaOf(file)) || len(s.Blobs()) != 4 {
		t.Errorf("Ollama's blobs are %v", s.Blobs())
	}
	if said := sayIf(t, runs, s, tinymodel.DefaultReply); said != tinymodel.DefaultReply {
		t.Errorf("it says %q", said)
	}
	if n := o.bytes.Load(); n != int64(len(file)) {
		t.Errorf("the source sent %d bytes of a file of %d", n, len(file))
	}

	again, err := e.Run(t.Context(), plain("acme/tiny:v1", file, o.URL+"/m"))
	if err != nil || again.Digest != got.Digest || again.Path != "" {
		t.Errorf("once more: %+v, %v", again, err)
	}
	if n := o.bytes.Load(); n != int64(len(file)) {
		t.Errorf("what is there is fetched again: %d bytes", n)
	}

	other := tiny(t, tinymodel.Options{Reply: "I am another."})
	o.mu.Lock()
	o.files["m2"] = other
	o.mu.Unlock()
	replacing := plain("acme/tiny:v1", other, o.URL+"/m2")
	if _, err := e.Run(t.Context(), replacing); fault.KindOf(err) != fault.Conflict {
		t.Errorf("in the place of somebody's model: %v", err)
	}
	if n := o.bytes.Load(); n != int64(len(file)) {
		t.Errorf("what may not be is fetched: %d bytes", n)
	}
	replacing.Replaces = []string{"other", got.Digest}
	if _, err := e.Run(t.Context(), replacing); err != nil {
		t.Fatal(err)
	}
	if said := sayIf(t, runs, s, "I am another."); said != "I am another." {
		t.Errorf("the one in its place says %q", said)
	}
	if slices.Contains(s.Blobs(), "sha256-"+shaOf(file)) {
		t.Errorf("the replaced model's file is left: %v", s.Blobs())
	}
	if _, err := e.Run(t.Context(), &work.Job{Kind: work.Remove, Model: "ACME/tiny:v1"}); err != nil {
		t.Fatal(err)
	}
	if left := s.Blobs(); len(left) != 0 {
		t.Errorf("after its removal there are %v", left)
	}
	if registry.Passing("acme/tiny:v1") {
		t.Error("a model's own name counts as passing")
	}
	return got.Digest
}

// sayIf has the model say something, where it runs, and returns what it should else.
func sayIf(t *testing.T, runs bool, s *realollama.Server, otherwise string) string {
	t.Helper()
	if !runs {
		return otherwise
	}
	return ask(t, s, "acme/tiny:v1")
}
