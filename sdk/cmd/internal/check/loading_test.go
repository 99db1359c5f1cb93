package check

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/loader/loadertest"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// loaderAs is a loader of texts, and how it is bad.
func loaderAs(which string) int {
	return plugin.Main(plugin.About{Name: "text", Version: "0.1.0"}, plugin.Loader(func(context.Context, settings) (loader.Loader, error) {
		return &textLoader{which: which}, nil
	}))
}

// textLoader knows files that begin with "text ", and end with a dot.
type textLoader struct {
	which  string
	inside atomic.Int64
	mu     sync.Mutex
	leaked []*os.File
	held   [][]byte
}

func (l *textLoader) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	for _, f := range files {
		if bytes.HasPrefix(f.Head, []byte("text ")) || f.Head == nil && strings.HasSuffix(f.Path, ".text") {
			return loader.Guess{Format: "text", Confidence: loader.Certain, Why: "it begins so"}, nil
		}
	}
	return loader.Guess{Why: "none begins so"}, nil
}

func (l *textLoader) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	defer l.inside.Add(-1)
	switch n := l.inside.Add(1); l.which {
	case "loader that serves a few":
		if n > 10 {
			return loader.Info{}, errors.New("there are too many")
		}
		time.Sleep(time.Millisecond)
	case "loader that leaks":
		f, err := os.Open("/dev/null")
		if err != nil {
			return loader.Info{}, err
		}
		l.mu.Lock()
		l.leaked = append(l.leaked, f)
		l.mu.Unlock()
	case "loader that holds all":
		l.mu.Lock()
		l.held = append(l.held, bytes.Repeat([]byte{1}, 4<<20))
		l.mu.Unlock()
	}
	for _, f := range files.List() {
		in, err := loader.Open(ctx, files, f.Path)
		if err != nil {
			return loader.Info{}, err
		}
		text, err := io.ReadAll(io.NewSectionReader(in, 0, 4096))
		if err != nil {
			return loader.Info{}, err
		}
		if !bytes.HasPrefix(text, []byte("text ")) {
			continue
		}
		if !bytes.HasSuffix(text, []byte(".")) {
			return loader.Info{}, fault.New(fault.Corrupt, "%s is cut off", f.Path)
		}
		part := loader.Part{File: f.Path, LengthBytes: f.SizeBytes}
		layer := loader.Layer{Role: loader.RoleModel, Name: "m.gguf", SizeBytes: f.SizeBytes, Parts: []loader.Part{part}}
		return loader.Info{Kind: loader.KindModel, Format: "text", Layers: []loader.Layer{layer}}, nil
	}
	return loader.Info{}, fault.New(fault.Invalid, "none of the files begins with text")
}

func (l *textLoader) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Format != "text" {
		return loader.Recipe{}, fault.New(fault.Invalid, "it is none of this loader's")
	}
	if l.which == "loader that quantises to anything" {
		r.Options.Quantize = ""
	}
	return loader.Compose(r, loader.Defaults{})
}

// samplesOf returns a folder with samples, by their names.
func samplesOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func textSamples(t *testing.T) string {
	return samplesOf(t, map[string]string{"good/one/a.text": "text of one.", "good/two/a.text": "text of another.", "bad/cut-off/a.text": "text of o"})
}

func TestAGoodLoaderPasses(t *testing.T) {
	// What is asked of every plugin alike is left out here.
	r, err := checked(t, "loader", "--samples", textSamples(t), "--run", "^(LD|PL-(LEAK|LOAD|MEMORY|INSTANCE-001|FREEZE|KEY))")
	if err != nil {
		t.Errorf("%v", err)
	}
	ran := map[string]bool{}
	for _, one := range r.Results {
		ran[one.ID] = true
		if one.Verdict != storagetest.Passed && one.Verdict != storagetest.NotDeclared {
			t.Errorf("%s: %s %q", one.ID, one.Verdict, one.Faults)
		}
	}
	for _, c := range loadertest.Checks() {
		if !ran[c.ID] {
			t.Errorf("%s was not run", c.ID)
		}
	}
	for _, c := range processChecks() {
		if c.kind == loaderKind && !ran[c.id] {
			t.Errorf("%s was not run", c.id)
		}
	}
	if r.Kind != "loader" || ran["ST-STAT-001"] || ran["PL-KEY-001"] {
		t.Errorf("it was checked as a storage: %+v", r.Kind)
	}
}

func TestABadLoaderFailsByName(t *testing.T) {
	samples := textSamples(t)
	for which, id := range map[string]string{
		"loader that serves a few": "PL-LOAD-001", "loader that leaks": "PL-LEAK-001", "loader that holds all": "PL-MEMORY-002",
		"loader that quantises to anything": "LD-PLAN-007",
	} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			r, err := checked(t, which, "--samples", samples, "--run", "^"+id+"$")
			if err == nil || len(r.Results) != 1 || !r.Results[0].Verdict.Bad() || len(r.Results[0].Faults) == 0 {
				t.Errorf("%v, %+v", err, r.Results)
			}
		})
	}
}

func TestSamplesThatAreNoneAreSaid(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing": {}, "others": {"good/one/a": "nothing of the kind"}, "bad ones alone": {"bad/one/a.text": "text of o"},
	} {
		if _, err := checked(t, "loader", "--samples", samplesOf(t, files), "--run", "^LD-PROBE-001$"); err == nil || !strings.Contains(err.Error(), "samples") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without samples nothing shows what a loader does with its own.
	r, err := checked(t, "loader", "--run", "^LD-INSPECT-001$")
	if err == nil || len(r.Results) != 1 || !strings.Contains(strings.Join(r.Results[0].Faults, ""), "give it some") {
		t.Errorf("%v, %+v", err, r.Results)
	}
}
