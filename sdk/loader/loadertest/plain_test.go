package loadertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// plain is a loader that keeps its contract. Its files begin with a line, and one of
// JSON that says what follows.
type plain struct{}

const plainMagic = "PLAIN\n"

type plainHeader struct {
	Name  string   `json:"name"`
	Bytes int64    `json:"bytes"` // of weights
	Parts []string `json:"parts"` // further files
}

func isPlain(f loader.File) bool {
	if f.Head == nil {
		return strings.HasSuffix(f.Path, ".plain")
	}
	return bytes.HasPrefix(f.Head, []byte(plainMagic))
}

func (plain) Probe(_ context.Context, files []loader.File) (loader.Guess, error) {
	have := map[string]bool{}
	for _, f := range files {
		have[f.Path] = true
	}
	for _, f := range files {
		if !isPlain(f) && !strings.HasSuffix(f.Path, ".plain") {
			continue
		}
		if !isPlain(f) {
			return loader.Guess{Format: "plain", Confidence: loader.Possible, Why: "the name is one"}, nil
		}
		g := loader.Guess{Format: "plain", Confidence: loader.Certain, Why: "it begins so"}
		_, line, _ := strings.Cut(string(f.Head), "\n")
		var h plainHeader
		_ = json.NewDecoder(strings.NewReader(line)).Decode(&h) // Inspect says what is wrong
		for _, p := range h.Parts {
			if !have[p] && loader.CheckPath(p) == nil {
				g.Missing = append(g.Missing, p)
			}
		}
		return g, nil
	}
	return loader.Guess{Why: "none of them begins so"}, nil
}

func (plain) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	for _, f := range files.List() {
		if strings.HasSuffix(f.Path, ".plain") {
			return inspectPlain(ctx, files, f)
		}
	}
	return loader.Info{}, fault.New(fault.Invalid, "there is no file %s", "*.plain")
}

func inspectPlain(ctx context.Context, files loader.Files, f loader.File) (loader.Info, error) {
	in, err := loader.Open(ctx, files, f.Path)
	if err != nil {
		return loader.Info{}, err
	}
	head := make([]byte, min(f.SizeBytes, 4096))
	if _, err := io.ReadFull(in, head); err == io.EOF || err == io.ErrUnexpectedEOF {
		return loader.Info{}, fault.New(fault.Corrupt, "%s is cut off", f.Path)
	} else if err != nil {
		return loader.Info{}, err
	}
	rest, ok := bytes.CutPrefix(head, []byte(plainMagic))
	line, _, found := bytes.Cut(rest, []byte("\n"))
	var h plainHeader
	if !ok || !found || json.Unmarshal(line, &h) != nil {
		return loader.Info{}, fault.New(fault.Corrupt, "%s has no header", f.Path)
	}
	offset := int64(len(plainMagic) + len(line) + 1)
	if h.Bytes < 0 || h.Bytes != f.SizeBytes-offset {
		return loader.Info{}, fault.New(fault.Corrupt, "%s does not have the bytes that it says", f.Path)
	}
	layer := loader.Layer{Role: loader.RoleModel, Name: path.Base(f.Path), SizeBytes: h.Bytes, Parts: []loader.Part{{File: f.Path, OffsetBytes: offset, LengthBytes: h.Bytes}}}
	for _, name := range h.Parts {
		part, err := loader.Open(ctx, files, name)
		if err != nil {
			return loader.Info{}, fault.Wrap(fault.NotFound, err, "a file is missing")
		}
		layer.Parts = append(layer.Parts, loader.Part{File: name, LengthBytes: part.Size()})
		layer.SizeBytes += part.Size()
	}
	name := strings.ToValidUTF8(h.Name, "")
	return loader.Info{Kind: loader.KindModel, Format: "plain", Name: name, Quantization: "F16", Capabilities: []loader.Capability{}, Layers: []loader.Layer{layer}}, nil
}

func (plain) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Format != "plain" {
		return loader.Recipe{}, fault.New(fault.Invalid, "it is none of this loader's")
	}
	return loader.Compose(r, loader.Defaults{})
}

func plainFile(name string, weights int, parts ...string) []byte {
	header, err := json.Marshal(plainHeader{name, int64(weights), parts})
	if err != nil {
		panic(err)
	}
	return append(fmt.Appendf(nil, "%s%s\n", plainMagic, header), make([]byte, weights)...)
}

func plainSamples() []Sample {
	return []Sample{
		good("plain", "one", of{"a.plain": plainFile("one", 100)}),
		good("plain", "one without weights", of{"a.plain": plainFile("none", 0), "README.md": []byte("# it")}),
		good("plain", "one in two files", of{"a.plain": plainFile("two", 100, "b.part"), "b.part": make([]byte, 50)}),
		good("plain", "a large one", of{"a.plain": plainFile("large", 1<<20)}),
		bad("plain", "one in two files of which one is missing", of{"a.plain": plainFile("two", 100, "b.part")}, "b.part"),
		bad("plain", "one that is cut off", of{"a.plain": plainFile("one", 100)[:60]}),
		bad("plain", "one without a header", of{"a.plain": []byte("PLAIN\n{")}),
		bad("plain", "one by its name", of{"a.plain": []byte("<html>")}),
	}
}
