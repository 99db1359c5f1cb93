package fleet_test

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func TestNamesOfOneModel(t *testing.T) {
	for _, c := range []struct{ name, canonical, shown string }{
		{"llama3", "llama3:latest", "llama3:latest"},
		{"llama3:latest", "llama3:latest", "llama3:latest"},
		{"llama3:8b", "llama3:8b", "llama3:8b"},
		{"Llama3:8B", "llama3:8b", "Llama3:8B"},
		{"library/llama3", "llama3:latest", "llama3:latest"},
		{"Library/Llama3:8b", "llama3:8b", "Llama3:8b"},
		{"registry.ollama.ai/library/llama3", "llama3:latest", "llama3:latest"},
		{"Registry.Ollama.AI/LIBRARY/llama3:8b", "llama3:8b", "llama3:8b"},
		{"https://registry.ollama.ai/library/llama3", "llama3:latest", "llama3:latest"},
		{"registry.ollama.ai/Acme/loop", "acme/loop:latest", "Acme/loop:latest"},
		{"acme/loop", "acme/loop:latest", "acme/loop:latest"},
		{"hf.co/Acme/Loop-1.5B-GGUF:Q4_K_M", "hf.co/acme/loop-1.5b-gguf:q4_k_m", "hf.co/Acme/Loop-1.5B-GGUF:Q4_K_M"},
		{"http://hf.co/acme/loop", "hf.co/acme/loop:latest", "hf.co/acme/loop:latest"},
		{"hf.co/library/loop", "hf.co/library/loop:latest", "hf.co/library/loop:latest"}, // another registry's library is not ours
		{"registry:5000/acme/loop", "registry:5000/acme/loop:latest", "registry:5000/acme/loop:latest"},
		{"registry:5000/acme/loop:q4", "registry:5000/acme/loop:q4", "registry:5000/acme/loop:q4"},
		{"_x.y-z", "_x.y-z:latest", "_x.y-z:latest"},
	} {
		if got := fleet.CanonicalModel(c.name); got != c.canonical {
			t.Errorf("CanonicalModel(%q) is %q, want %q", c.name, got, c.canonical)
		}
		if got := fleet.ShownModel(c.name); got != c.shown {
			t.Errorf("ShownModel(%q) is %q, want %q", c.name, got, c.shown)
		}
		if !fleet.ValidModel(c.name) {
			t.Errorf("%q counts as no name", c.name)
		}
		if !fleet.SameModel(c.name, c.canonical) || fleet.SameModel(c.name, c.canonical+"x") {
			t.Errorf("%q is not %q alone", c.name, c.canonical)
		}
	}
	if got := fleet.CanonicalModel(" llama3 "); got != "llama3:latest" {
		t.Errorf("with spaces around it a name is %q", got)
	}
}

// Ollama refuses these.
func TestWhatIsNoName(t *testing.T) {
	for _, name := range []string{
		"", " llama3", "llama3:", ":latest", "/llama3", "library/", "a//b", "a/b/c/d/e", "-llama3", ".llama3",
		"hf.co/loop", "lla ma3", "llama3:a:b", "llama3@sha256:abc", "modèle", "://a/b", "https:///a/b",
		strings.Repeat("x", 81), "x:" + strings.Repeat("x", 81), strings.Repeat("x", 351) + "/a/b", "a/b\x00",
	} {
		if fleet.ValidModel(name) || fleet.SameModel(name, name) {
			t.Errorf("%q counts as a name", name)
		}
		if got, want := fleet.CanonicalModel(name), strings.TrimSpace(name); got != want && name != " llama3" {
			t.Errorf("%q becomes %q", name, got)
		}
		if got := fleet.ShownModel(name); got != name {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
}

func TestACanonicalNameCostsNothing(t *testing.T) {
	for _, name := range []string{"llama3:latest", "hf.co/acme/loop:q4", "registry.ollama.ai/library/llama3:8b"} {
		if n := testing.AllocsPerRun(100, func() { fleet.CanonicalModel(name) }); n != 0 {
			t.Errorf("%q costs %v allocations", name, n)
		}
	}
}

// A canonical name stands for itself, and case and what goes without saying
// make no other model.
func FuzzModelNames(f *testing.F) {
	for _, seed := range []string{"llama3", "Library/x:Y", "registry.ollama.ai/library/x", "hf.co/a/B:c", "http://h:1/a/b", "a@sha256:b", ":", "//", "é:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		canonical := fleet.CanonicalModel(name)
		if again := fleet.CanonicalModel(canonical); again != canonical {
			t.Errorf("%q becomes %q, which becomes %q", name, canonical, again)
		}
		if !fleet.ValidModel(name) {
			return
		}
		if !fleet.ValidModel(canonical) || !fleet.SameModel(name, canonical) {
			t.Errorf("%q becomes %q, which is another", name, canonical)
		}
		if shown := fleet.ShownModel(name); strings.ToLower(shown) != canonical {
			t.Errorf("%q is shown as %q and known as %q", name, shown, canonical)
		}
		for _, other := range []string{strings.ToUpper(name), strings.ToLower(name)} {
			if got := fleet.CanonicalModel(other); got != canonical {
				t.Errorf("%q becomes %q, %q %q", name, canonical, other, got)
			}
		}
		longer := canonical
		if !strings.Contains(longer, "/") {
			longer = "library/" + longer
		}
		if strings.Count(longer, "/") == 1 {
			longer = "registry.ollama.ai/" + longer
		}
		if got := fleet.CanonicalModel(longer); got != canonical {
			t.Errorf("%q in full is %q, which becomes %q", canonical, longer, got)
		}
	})
}
