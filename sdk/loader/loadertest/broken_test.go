package loadertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// altered is a loader of which some methods are others.
type altered struct {
	loader.Loader
	probe   func(context.Context, []loader.File) (loader.Guess, error)
	inspect func(context.Context, loader.Files) (loader.Info, error)
	plan    func(context.Context, loader.Request) (loader.Recipe, error)
}

func (a altered) Probe(ctx context.Context, files []loader.File) (loader.Guess, error) {
	if a.probe != nil {
		return a.probe(ctx, files)
	}
	return a.Loader.Probe(ctx, files)
}

func (a altered) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	if a.inspect != nil {
		return a.inspect(ctx, files)
	}
	return a.Loader.Inspect(ctx, files)
}

func (a altered) Plan(ctx context.Context, r loader.Request) (loader.Recipe, error) {
	if a.plan != nil {
		return a.plan(ctx, r)
	}
	return a.Loader.Plan(ctx, r)
}

// guessing returns a loader whose guesses are changed.
func guessing(change func(files []loader.File, g *loader.Guess)) loader.Loader {
	return altered{Loader: plain{}, probe: func(ctx context.Context, files []loader.File) (loader.Guess, error) {
		g, err := plain{}.Probe(ctx, files)
		change(files, &g)
		return g, err
	}}
}

// saying returns a loader whose infos are changed.
func saying(change func(*loader.Info)) loader.Loader {
	return altered{Loader: plain{}, inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		info, err := plain{}.Inspect(ctx, files)
		if err == nil {
			change(&info)
		}
		return info, err
	}}
}

// planning returns a loader whose recipes are changed.
func planning(change func(loader.Request, *loader.Recipe)) loader.Loader {
	return altered{Loader: plain{}, plan: func(ctx context.Context, r loader.Request) (loader.Recipe, error) {
		recipe, err := plain{}.Plan(ctx, r)
		if err == nil {
			change(r, &recipe)
		}
		return recipe, err
	}}
}

// looking returns a loader that does something before it inspects; an error is returned.
func looking(before func(context.Context, loader.Files) (context.Context, error)) loader.Loader {
	return altered{Loader: plain{}, inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		ctx, err := before(ctx, files)
		if err != nil {
			return loader.Info{}, err
		}
		return plain{}.Inspect(ctx, files)
	}}
}

// failing returns a loader whose errors of inspecting are changed.
func failing(change func(error) error) loader.Loader {
	return altered{Loader: plain{}, inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		info, err := plain{}.Inspect(ctx, files)
		if err != nil {
			err = change(err)
		}
		return info, err
	}}
}

// taking returns a loader that takes files without looking at them.
func taking() loader.Loader {
	return altered{Loader: plain{}, inspect: func(ctx context.Context, files loader.Files) (loader.Info, error) {
		info, err := plain{}.Inspect(ctx, files)
		if fault.KindOf(err) != fault.None {
			f := files.List()[0]
			part := loader.Part{File: f.Path, LengthBytes: f.SizeBytes}
			return loader.Info{Kind: loader.KindModel, Format: "plain", Layers: []loader.Layer{{Role: loader.RoleModel, SizeBytes: f.SizeBytes, Parts: []loader.Part{part}}}}, nil
		}
		return info, err
	}}
}

// broken returns loaders that break a sentence each, by the ids of the checks.
func broken() map[string]loader.Loader {
	var calls, inside atomic.Int64
	everyone := sync.OnceValue(func() <-chan time.Time { return time.After(time.Second) })
	return map[string]loader.Loader{
		"LD-PROBE-001": guessing(func(_ []loader.File, g *loader.Guess) { g.Format, g.Confidence = "plain", loader.Likely }),
		"LD-PROBE-002": guessing(func(_ []loader.File, g *loader.Guess) { g.Confidence = min(g.Confidence, loader.Possible) }),
		"LD-PROBE-003": guessing(func(_ []loader.File, g *loader.Guess) { g.Why = "" }),
		"LD-PROBE-004": guessing(func(_ []loader.File, g *loader.Guess) { g.Missing = nil }),
		"LD-PROBE-005": guessing(func(_ []loader.File, g *loader.Guess) { g.Why = fmt.Sprint("by chance ", calls.Add(1)) }),
		"LD-PROBE-006": guessing(func(files []loader.File, _ *loader.Guess) {
			_ = files[0].Head[0:min(1, files[0].SizeBytes)]
		}),
		"LD-PROBE-007": guessing(func(files []loader.File, _ *loader.Guess) {
			time.Sleep(time.Duration(len(files)) * 300 * time.Microsecond)
		}),
		"LD-INSPECT-001": saying(func(i *loader.Info) { i.Format = "other" }),
		"LD-INSPECT-002": taking(),
		"LD-INSPECT-003": taking(),
		"LD-INSPECT-004": saying(func(i *loader.Info) { i.Name = fmt.Sprint(calls.Add(1)) }),
		"LD-INSPECT-005": looking(func(ctx context.Context, files loader.Files) (context.Context, error) {
			p := make([]byte, 1<<20)
			for range 100 {
				_, _ = files.ReadAt(ctx, files.List()[0].Path, p, 0)
			}
			return ctx, nil
		}),
		"LD-INSPECT-006": failing(func(err error) error {
			if strings.Contains(err.Error(), "does not have the bytes") {
				panic("oh")
			}
			return err
		}),
		"LD-INSPECT-007": failing(func(err error) error {
			if strings.Contains(err.Error(), "no header") {
				return errors.New("unexpected end of JSON input")
			}
			return err
		}),
		"LD-INSPECT-008": failing(func(error) error { return io.ErrUnexpectedEOF }),
		"LD-INSPECT-009": failing(func(err error) error {
			if fault.KindOf(err) == fault.NotFound {
				return errors.New("nil")
			}
			return err
		}),
		"LD-INSPECT-010": saying(func(i *loader.Info) { i.Geometry = map[loader.Role][]byte{loader.RoleModel: []byte("large")} }),
		"LD-READ-001":    failing(func(error) error { return fault.New(fault.Corrupt, "it can't be read") }),
		"LD-READ-002": looking(func(ctx context.Context, _ loader.Files) (context.Context, error) {
			return context.WithoutCancel(ctx), nil
		}),
		"LD-READ-003": looking(func(ctx context.Context, files loader.Files) (context.Context, error) {
			_, _ = files.ReadAt(ctx, "config.json", make([]byte, 1), 0)
			return ctx, nil
		}),
		"LD-PLAN-001": planning(func(_ loader.Request, r *loader.Recipe) {
			r.Layers = []loader.Layer{{Role: loader.RoleModel, SizeBytes: 1, Parts: []loader.Part{{File: "/etc/passwd", LengthBytes: 1}}}}
		}),
		"LD-PLAN-002": planning(func(_ loader.Request, r *loader.Recipe) { r.Requires = fmt.Sprint(calls.Add(1)) }),
		"LD-PLAN-003": planning(func(q loader.Request, r *loader.Recipe) { r.Requires = q.Ollama }),
		"LD-PLAN-004": planning(func(q loader.Request, r *loader.Recipe) {
			if q.Info.Capabilities != nil { // which JSON does not keep
				r.Requires = "1.0.0"
			}
		}),
		"LD-PLAN-005": planning(func(_ loader.Request, r *loader.Recipe) {
			r.Layers = slices.DeleteFunc(r.Layers, func(l loader.Layer) bool { return l.Role == loader.RoleSystem })
		}),
		"LD-PLAN-006": planning(func(_ loader.Request, r *loader.Recipe) { r.Renderer = "" }),
		"LD-PLAN-007": altered{Loader: plain{}, plan: func(ctx context.Context, r loader.Request) (loader.Recipe, error) {
			r.Options.Quantize = ""
			return plain{}.Plan(ctx, r)
		}},
		"LD-PLAN-008": altered{Loader: plain{}, plan: func(_ context.Context, r loader.Request) (loader.Recipe, error) {
			return loader.Recipe{Layers: r.Info.Layers}, nil
		}},
		"LD-PLAN-009": planning(func(q loader.Request, _ *loader.Recipe) {
			if q.Info.Layers[0].SizeBytes < 0 {
				panic("makeslice: len out of range")
			}
		}),
		"LD-CALL-001": looking(func(ctx context.Context, _ loader.Files) (context.Context, error) {
			return context.WithoutCancel(ctx), nil
		}),
		"LD-CALL-002": saying(func(i *loader.Info) {
			defer inside.Add(-1)
			if inside.Add(1) > 1 {
				i.Name = "another's"
			}
			select {
			case <-everyone():
			case <-time.After(100 * time.Millisecond):
			}
		}),
	}
}

func TestEachCheckCatchesWhoBreaksIt(t *testing.T) {
	samples := append(plainSamples(), Corpus()...)
	bad := broken()
	for _, c := range Checks() {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			l, ok := bad[c.ID]
			if !ok {
				t.Fatal("nothing shows that it catches anything")
			}
			if r := c.Try(t.Context(), l, samples); r.Passed() {
				t.Error("a loader that breaks it passes")
			} else if text := strings.Join(r.Faults, "\n"); text == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func TestContract(t *testing.T) {
	Run(t, func(*testing.T) loader.Loader { return plain{} }, plainSamples()...)
}

func TestALoaderWithoutSamplesIsNotChecked(t *testing.T) {
	for _, c := range Checks() {
		if strings.HasPrefix(c.ID, "LD-INSPECT-001") {
			if r := c.Try(t.Context(), plain{}, Corpus()); r.Passed() {
				t.Error("a loader passes of whose format there is nothing")
			}
		}
	}
}

func TestIDsAndSentencesAreOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.ID] || seen[c.Sentence] || !strings.HasSuffix(c.Sentence, ".") {
			t.Errorf("%s: %s", c.ID, c.Sentence)
		}
		seen[c.ID], seen[c.Sentence] = true, true
	}
}

func TestTheCorpusIsWhatItSays(t *testing.T) {
	names, count := map[string]bool{}, map[string]int{}
	for _, s := range Corpus() {
		if names[s.Name] {
			t.Errorf("there are two of %q", s.Name)
		}
		names[s.Name] = true
		verdict := "good"
		if s.Bad != "" {
			verdict = "bad"
		}
		count[verdict+" "+s.Format]++
		if err := loader.CheckFiles(s.Files.List()); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		files, err := loader.Heads(t.Context(), s.Files)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		for _, f := range files {
			if f.Head == nil && f.SizeBytes > 0 && len(files) <= loader.MaxHeads {
				t.Errorf("%s: %s has no beginning", s.Name, f.Path)
			}
		}
	}
	text, err := json.Marshal(count)
	if err != nil || len(names) < 60 || count["good gguf"] < 20 || count["bad gguf"] < 60 || count["good safetensors"] == 0 || count["good lora"] == 0 || count["good modelfile"] == 0 {
		t.Errorf("there are %d samples: %s, %v", len(names), text, err)
	}
	t.Logf("%d samples: %s", len(names), text)
}
