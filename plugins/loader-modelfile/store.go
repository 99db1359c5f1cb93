package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// kept is a model as an Ollama or a registry keeps it: a manifest, and blobs by their
// digests.
type kept struct {
	name     string // "" where nobody says it
	manifest loader.Part
	blobs    map[string]loader.Part // by sha256
}

// probeKept says whether files seem to be a model as an Ollama keeps it.
func probeKept(files []loader.File) loader.Guess {
	if f, by := archiveAmong(files); by != "" {
		g := loader.Guess{Format: storeFormat, Confidence: loader.Possible, Why: "there is an archive, which may be of an Ollama's store"}
		switch {
		case by == compressed, f.Head == nil:
		case looksPacked(f, by):
			g.Confidence, g.Why = loader.Certain, "there is an archive of an Ollama's store"
		default:
			return loader.Guess{Why: "there is an archive, and what it begins with is no Ollama's store"}
		}
		return g
	}
	at := slices.IndexFunc(files, func(f loader.File) bool {
		return path.Base(f.Path) == manifestName && bytes.Contains(f.Head, []byte(imageType+"model"))
	})
	if at < 0 {
		return loader.Guess{Why: "there is no Modelfile, and no model as Ollama keeps one"}
	}
	return loader.Guess{Format: storeFormat, Confidence: loader.Certain, Why: "there is a manifest of an Ollama's model"}
}

// findKept returns the model that files are, as an Ollama keeps it: an archive of its
// store, or what a registry has of it. nil is that they are none.
func findKept(ctx context.Context, files loader.Files) (*kept, error) {
	list, err := beginnings(ctx, files)
	if err != nil {
		return nil, err
	}
	if f, by := archiveAmong(list); by != "" {
		a, err := open(ctx, files, f, by)
		if err != nil {
			return nil, err
		}
		return a.model()
	}
	return pulled(list), nil
}

// beginnings returns files with as much of their beginnings as tells an archive.
func beginnings(ctx context.Context, files loader.Files) ([]loader.File, error) {
	const enough = 512
	list := files.List()
	slices.SortFunc(list, func(a, b loader.File) int { return strings.Compare(a.Path, b.Path) })
	for i := range list[:min(len(list), loader.MaxHeads)] {
		head := make([]byte, min(list[i].SizeBytes, enough))
		n, err := files.ReadAt(ctx, list[i].Path, head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		list[i].Head = head[:n]
	}
	return list, nil
}

// archiveAmong returns the archive among files, where there is nothing else but what
// people have beside one.
func archiveAmong(files []loader.File) (f loader.File, by packing) {
	for _, one := range files {
		is := packingOf(one)
		switch {
		case is == "" && !isBeside(one.Path), is != "" && by != "":
			return loader.File{}, ""
		case is != "":
			f, by = one, is
		}
	}
	return f, by
}

// isBeside reports whether a file is one that people have beside an archive.
func isBeside(name string) bool {
	base := strings.ToLower(path.Base(name))
	return path.Ext(base) == ".md" || path.Ext(base) == ".txt" || path.Ext(base) == ".sha256" || strings.HasPrefix(base, "license") || strings.HasPrefix(base, ".")
}

// model returns the model of a store that an archive is of. Of several it is the one that
// the archive is named after.
func (a *archive) model() (*kept, error) {
	found, blobs := map[string]*kept{}, a.blobs()
	for _, name := range slices.Sorted(maps.Keys(a.files)) {
		before, rest, is := strings.Cut("/"+name, "/manifests/")
		segments := strings.Split(rest, "/")
		if !is || len(segments) != 4 {
			continue
		}
		k := &kept{name: shownName(segments), manifest: a.part(a.files[name]), blobs: blobs[before+"/blobs"]}
		found[k.name] = k
	}
	names := slices.Sorted(maps.Keys(found))
	switch len(names) {
	case 0:
		return nil, fault.New(fault.Invalid, "%s has no model of an Ollama's store: that is the folders manifests and blobs; other archives are to be unpacked, and their files taken", a.file.Path)
	case 1:
		return found[names[0]], nil
	}
	base := strings.TrimSuffix(path.Base(a.file.Path), path.Ext(a.file.Path))
	for _, name := range names {
		if strings.EqualFold(base, strings.NewReplacer(":", "-", "/", "-").Replace(name)) {
			return found[name], nil
		}
	}
	return nil, fault.New(fault.Invalid, "%s has several models, and is named after none of them: %s. Pack one, or give the archive its name, such as %s%s",
		a.file.Path, listOf(names), strings.NewReplacer(":", "-", "/", "-").Replace(names[0]), path.Ext(a.file.Path))
}

// blobs returns what stores in the archive have, by their folders and then by sha256.
func (a *archive) blobs() map[string]map[string]loader.Part {
	all := map[string]map[string]loader.Part{}
	for name, at := range a.files {
		folder := path.Dir("/" + name)
		sum, is := strings.CutPrefix(path.Base(name), "sha256-")
		if !is || path.Base(folder) != "blobs" {
			continue
		}
		if all[folder] == nil {
			all[folder] = map[string]loader.Part{}
		}
		all[folder][sum] = a.part(at)
	}
	return all
}

// shownNames is how many models an error names.
const shownNames = 20

func listOf(names []string) string {
	if len(names) > shownNames {
		names = append(slices.Clone(names[:shownNames]), "and others")
	}
	return strings.Join(names, ", ")
}

// shownName returns a model's name by the path of its manifest: what is usual is left out.
func shownName(path []string) string {
	name := path[2] + ":" + path[3]
	if path[0] != "registry.ollama.ai" {
		return path[0] + "/" + path[1] + "/" + name
	}
	if path[1] != "library" {
		return path[1] + "/" + name
	}
	return name
}

// pulled returns the model that files of a registry are: manifest.json, and beside it
// files whose digests it has. nil is that they are none.
func pulled(files []loader.File) *kept {
	is := func(f loader.File) bool { return path.Base(f.Path) == manifestName }
	at := slices.IndexFunc(files, is)
	if at < 0 || slices.ContainsFunc(files[at+1:], is) {
		return nil
	}
	k := &kept{manifest: loader.Part{File: files[at].Path, LengthBytes: files[at].SizeBytes}, blobs: map[string]loader.Part{}}
	for _, f := range files {
		if f.SHA256 != "" && path.Dir(f.Path) == path.Dir(files[at].Path) {
			k.blobs[f.SHA256] = loader.Part{File: f.Path, LengthBytes: f.SizeBytes}
		}
	}
	return k
}

// manifestName is what a manifest is called among files of a registry.
const manifestName = "manifest.json"
