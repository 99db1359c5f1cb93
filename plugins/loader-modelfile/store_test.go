package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// layerOf is a layer of a test's model.
type layerOf struct {
	kind string
	text []byte
}

func layersOf() []layerOf {
	return []layerOf{{"model", model()}, {"template", []byte("{{ .Prompt }}")}, {"license", []byte("MIT")}, {"license", []byte("and more")}, {"params", []byte(`{"stop":["x"]}`)}}
}

const configuration = `{"model_format":"gguf","model_family":"llama","requires":"0.14.0","renderer":"r"}` + "\n"

// stored are the files of a store that has a model: by the path of its manifest.
func stored(name string, layers []layerOf) map[string][]byte {
	files := map[string][]byte{}
	add := func(text []byte) string {
		files["models/blobs/sha256-"+sumOf(text)] = text
		return "sha256:" + sumOf(text)
	}
	m := map[string]any{"schemaVersion": 2, "config": map[string]any{"digest": add([]byte(configuration)), "size": len(configuration)}}
	var list []map[string]any
	for _, l := range layers {
		list = append(list, map[string]any{"mediaType": imageType + l.kind, "digest": add(l.text), "size": len(l.text)})
	}
	m["layers"] = list
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	files["models/manifests/"+name] = text
	return files
}

const tiny = "registry.ollama.ai/library/tiny/q4"

func tarOf(t *testing.T, files map[string][]byte, more ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h *tar.Header, content []byte) {
		h.Size = int64(len(content))
		err := w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add(&tar.Header{Name: "./models/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		add(&tar.Header{Name: "./" + name, Mode: 0o644}, files[name])
	}
	for i := range more {
		add(&more[i], nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t *testing.T, files map[string][]byte, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		one, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = one.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAStoreInAnArchive plans a model just as an Ollama has it.
func TestAStoreInAnArchive(t *testing.T) {
	files := stored(tiny, layersOf())
	for name, content := range map[string][]byte{"store.tar": tarOf(t, files), "store.zip": zipOf(t, files, zip.Store), "backup": tarOf(t, files)} {
		t.Run(name, func(t *testing.T) {
			of := loader.Bytes(map[string][]byte{name: content, "README.md": []byte("# Mine")})
			heads, err := loader.Heads(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			if g, err := (modelfileLoader{}).Probe(t.Context(), heads); err != nil || g.Format != storeFormat || g.Confidence != loader.Certain {
				t.Errorf("%+v, %v", g, err)
			}
			info, err := modelfileLoader{}.Inspect(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			if info.Name != "tiny:q4" || info.Architecture != "llama" || info.Requires != "0.14.0" || info.Renderer != "r" {
				t.Errorf("%+v", info)
			}
			recipe, err := modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info})
			if err != nil || recipe.Requires != "0.14.0" || recipe.From != "" || recipe.Convert {
				t.Fatalf("%+v, %v", recipe, err)
			}
			want := append(layersOf(), layerOf{"config", []byte(configuration)})
			if len(recipe.Layers) != len(want) {
				t.Fatalf("%d layers", len(recipe.Layers))
			}
			for i, l := range recipe.Layers {
				p := l.Parts[0]
				got := p.Inline
				if p.File != "" {
					got = content[p.OffsetBytes : p.OffsetBytes+p.LengthBytes]
				}
				role := loader.Role(strings.Replace(want[i].kind, "params", "parameters", 1))
				if l.Role != role || !bytes.Equal(got, want[i].text) || l.SHA256 != sumOf(want[i].text) || len(l.Parts) != 1 || (p.File != "") != (i == 0) {
					t.Errorf("layer %d is a %s of %d bytes with the digest %s, want %s", i, l.Role, len(got), l.SHA256, role)
				}
			}
			if err := recipe.Check(of.List()); err != nil {
				t.Error(err)
			}
			// Whoever wants something else of it gets a model of its own.
			recipe, err = modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info, Options: loader.Options{System: "Be brief."}})
			said := map[loader.Role]int{}
			for _, l := range recipe.Layers {
				said[l.Role]++
			}
			if diff := cmp.Diff(map[loader.Role]int{"model": 1, "template": 1, "system": 1, "license": 2, "parameters": 1}, said); diff != "" || err != nil || len(recipe.Config) == 0 {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestSeveralModelsInAnArchive(t *testing.T) {
	files := stored(tiny, layersOf())
	maps.Copy(files, stored("registry.ollama.ai/me/tiny/q8", layersOf()[:2]))
	maps.Copy(files, stored("hf.co/me/tiny/q8", layersOf()[:1]))
	packed := tarOf(t, files)
	for name, want := range map[string]string{"tiny-q4.tar": "tiny:q4", "Me-tiny-q8.tar": "me/tiny:q8", "hf.co-me-tiny-q8.tar": "hf.co/me/tiny:q8"} {
		info, err := modelfileLoader{}.Inspect(t.Context(), loader.Bytes(map[string][]byte{name: packed}))
		if err != nil || info.Name != want {
			t.Errorf("%s: %q, %v", name, info.Name, err)
		}
	}
	_, err := modelfileLoader{}.Inspect(t.Context(), loader.Bytes(map[string][]byte{"all.tar": packed}))
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "hf.co/me/tiny:q8, me/tiny:q8, tiny:q4") || !strings.Contains(err.Error(), "hf.co-me-tiny-q8.tar") {
		t.Errorf("%v", err)
	}
}

// withSums are files of which the digests are known, as a storage tells them.
type withSums struct {
	loader.Files

	content map[string][]byte
}

func (w withSums) List() []loader.File {
	list := w.Files.List()
	for i := range list {
		list[i].SHA256 = sumOf(w.content[list[i].Path])
	}
	return list
}

func TestWhatARegistryHas(t *testing.T) {
	all := stored(tiny, layersOf())
	folder := map[string][]byte{"f/manifest.json": all["models/manifests/"+tiny], "f/config.json": []byte(configuration)}
	for i, name := range []string{"model.gguf", "template", "license", "license-2", "params.json"} {
		folder["f/"+name] = layersOf()[i].text
	}
	of := withSums{loader.Bytes(folder), folder}
	heads, err := loader.Heads(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := (modelfileLoader{}).Probe(t.Context(), heads); err != nil || g.Format != storeFormat || g.Confidence != loader.Certain {
		t.Errorf("%+v, %v", g, err)
	}
	info, err := modelfileLoader{}.Inspect(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := modelfileLoader{}.Plan(t.Context(), loader.Request{Info: info})
	if err != nil || len(recipe.Layers) != 6 || recipe.Layers[0].Parts[0].File != "f/model.gguf" || recipe.Layers[5].Role != loader.RoleConfig {
		t.Errorf("%+v, %v", recipe, err)
	}
	delete(folder, "f/license-2")
	if _, err := (modelfileLoader{}).Inspect(t.Context(), of); fault.KindOf(err) != fault.NotFound {
		t.Errorf("without a licence: %v", err)
	}
}

func TestArchivesThatAreRefused(t *testing.T) {
	sound := stored(tiny, layersOf())
	whole := tarOf(t, sound)
	with := func(change func(files map[string][]byte)) map[string][]byte {
		files := maps.Clone(sound)
		change(files)
		return files
	}
	template := "models/blobs/sha256-" + sumOf(layersOf()[1].text)
	weights := "models/blobs/sha256-" + sumOf(layersOf()[0].text)
	other := func(layers ...layerOf) map[string][]byte { return stored(tiny, layers) }
	boasting := zipOf(t, sound, zip.Store)
	binary.LittleEndian.PutUint16(boasting[len(boasting)-22+10:], 60_000)
	for name, c := range map[string]struct {
		file    string
		content []byte
		kind    fault.Kind
		want    string
	}{
		"a path that leads out":    {"a.tar", tarOf(t, sound, tar.Header{Name: "../evil"}), fault.Invalid, "leads out"},
		"a path of the host":       {"a.tar", tarOf(t, sound, tar.Header{Name: "/etc/passwd"}), fault.Invalid, "leads out"},
		"a link":                   {"a.tar", tarOf(t, sound, tar.Header{Name: "models/blobs/sha256-x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), fault.Invalid, "is a link"},
		"a hard link":              {"a.tar", tarOf(t, sound, tar.Header{Name: "models/blobs/sha256-x", Typeflag: tar.TypeLink, Linkname: "b"}), fault.Invalid, "is a link"},
		"a device":                 {"a.tar", tarOf(t, sound, tar.Header{Name: "dev", Typeflag: tar.TypeChar}), fault.Invalid, "no file"},
		"a file twice":             {"a.tar", tarOf(t, sound, tar.Header{Name: template}), fault.Invalid, "there twice"},
		"cut off in a file":        {"a.tar", whole[:len(whole)/2], fault.Corrupt, "cut off"},
		"cut off in a header":      {"a.tar", whole[:700], fault.Corrupt, "cut off"},
		"compressed":               {"a.tar.gz", []byte("\x1f\x8b\x08\x00\x00"), fault.NotImplemented, "without compression"},
		"a compressed zip":         {"a.zip", zipOf(t, sound, zip.Deflate), fault.NotImplemented, "zip -0"},
		"a zip that is cut off":    {"a.zip", boasting[:len(boasting)-30], fault.Corrupt, "no sound zip"},
		"a zip of too many files":  {"a.zip", boasting, fault.TooLarge, "more than 10000 files"},
		"a zip that leads out":     {"a.zip", zipOf(t, with(func(f map[string][]byte) { f["../evil"] = []byte("x") }), zip.Store), fault.Invalid, "leads out"},
		"another archive":          {"a.tar", tarOf(t, map[string][]byte{"model.gguf": model()}), fault.Invalid, "no model of an Ollama's store"},
		"a blob that is missing":   {"a.tar", tarOf(t, with(func(f map[string][]byte) { delete(f, weights) })), fault.NotFound, "model of the model is missing"},
		"a blob of another size":   {"a.tar", tarOf(t, with(func(f map[string][]byte) { f[weights] = f[weights][1:] })), fault.Corrupt, "should have"},
		"a text of another digest": {"a.tar", tarOf(t, with(func(f map[string][]byte) { f[template] = []byte("{{ .Prompd }}") })), fault.Corrupt, "not what its digest says"},
		"a manifest that is none":  {"a.tar", tarOf(t, with(func(f map[string][]byte) { f["models/manifests/"+tiny] = []byte("{") })), fault.Corrupt, "no JSON"},
		"a digest that is none": {"a.tar", tarOf(t, with(func(f map[string][]byte) {
			f["models/manifests/"+tiny] = []byte(`{"layers":[{"mediaType":"` + imageType + `model","digest":"sha256:../../x","size":1}]}`)
		})), fault.Invalid, "digest"},
		"no layers":                 {"a.tar", tarOf(t, with(func(f map[string][]byte) { f["models/manifests/"+tiny] = []byte(`{}`) })), fault.Invalid, "0 layers"},
		"no weights":                {"a.tar", tarOf(t, other(layersOf()[1])), fault.NotImplemented, "no weights"},
		"a layer of another kind":   {"a.tar", tarOf(t, other(layersOf()[0], layerOf{"tensor", []byte("x")})), fault.NotImplemented, "isn't known"},
		"weights twice":             {"a.tar", tarOf(t, other(layersOf()[0], layersOf()[0])), fault.NotImplemented, "several layers"},
		"weights that are no GGUF":  {"a.tar", tarOf(t, other(layerOf{"model", []byte("<html>")})), fault.Invalid, "not a GGUF"},
		"an adapter as the weights": {"a.tar", tarOf(t, other(layerOf{"model", adapter()})), fault.Invalid, "named as something else"},
		"parameters that are none":  {"a.tar", tarOf(t, other(layersOf()[0], layerOf{"params", []byte("[1]")})), fault.Corrupt, "no JSON object"},
	} {
		_, err := modelfileLoader{}.Inspect(t.Context(), loader.Limit(loader.Bytes(map[string][]byte{c.file: c.content}), loader.MaxReadBytes))
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%s: %v of the kind %v, want %q of %v", name, err, fault.KindOf(err), c.want, c.kind)
		}
	}
}

func FuzzArchive(f *testing.F) {
	files := map[string][]byte{"blobs/sha256-" + strings.Repeat("a", 64): []byte("x"), "manifests/a/b/c/d": []byte("{}")}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600}); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	b.Reset()
	z := zip.NewWriter(&b)
	for name := range files {
		if _, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}); err != nil {
			f.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, by := range []packing{tarred, zipped} {
			of := loader.Limit(loader.Bytes(map[string][]byte{"a": content}), loader.MaxReadBytes)
			a, err := open(t.Context(), of, of.List()[0], by)
			if err != nil {
				if kind := fault.KindOf(err); kind == fault.Internal {
					t.Errorf("%s: %v", by, err)
				}
				continue
			}
			for name, at := range a.files {
				if loader.CheckPath(name) != nil || at.offset < 0 || at.length < 0 || at.offset+at.length > int64(len(content)) {
					t.Errorf("%s: %q is at %d, %d bytes of %d", by, name, at.offset, at.length, len(content))
				}
			}
			if _, err := a.model(); err != nil && fault.KindOf(err) == fault.Internal {
				t.Error(fmt.Errorf("%s: %w", by, err))
			}
		}
	})
}
