// Package ggufmodel tells what models GGUF files make up: whole, split, with a
// projector, an adapter or a draft beside them.
package ggufmodel

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Format is what such models are in.
const Format = "gguf"

// Magic is how a GGUF begins.
const Magic = "GGUF"

// Inspect reads the headers of the files that are GGUFs, and says what is in them, as
// [loader.Loader] has it.
func Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	ours, err := candidates(ctx, files)
	if err != nil {
		return loader.Info{}, err
	}
	all := Sets(ours)
	var missing []string
	for _, s := range all {
		missing = append(missing, s.Missing()...)
	}
	if len(missing) > 0 {
		return loader.Info{}, fault.New(fault.NotFound, "the model was split into files that are not all there: %s", strings.Join(missing, ", "))
	}
	var parts []part
	for _, s := range all {
		p, err := read(ctx, files, s)
		if err != nil {
			return loader.Info{}, err
		}
		parts = append(parts, p)
	}
	a, err := assemble(parts)
	if err != nil {
		return loader.Info{}, err
	}
	return a.describe()
}

// candidates returns the files that are GGUFs by their names or how they begin.
func candidates(ctx context.Context, files loader.Files) ([]loader.File, error) {
	var ours []loader.File
	looked := 0
	for _, f := range files.List() {
		if IsNamed(f.Path) {
			ours = append(ours, f)
			continue
		}
		if looked++; looked > loader.MaxHeads || IsBeside(f.Path) {
			continue
		}
		head := make([]byte, len(Magic))
		if _, err := files.ReadAt(ctx, f.Path, head, 0); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if string(head) == Magic {
			ours = append(ours, f)
		}
	}
	if len(ours) == 0 {
		return nil, fault.New(fault.Invalid, "none of the files is a GGUF")
	}
	return ours, nil
}

// part is a GGUF of a model, with what its header says.
type part struct {
	Set
	headers []*gguf.Header // of each file
	joined  *gguf.Header
	info    gguf.Info
}

// read reads the headers of the files of a set.
func read(ctx context.Context, files loader.Files, s Set) (part, error) {
	p := part{Set: s}
	for _, f := range s.files {
		in, err := loader.Open(ctx, files, f.Path)
		if err != nil {
			return p, err
		}
		h, err := gguf.Read(in, f.SizeBytes)
		if err != nil {
			return p, about(f.Path, err)
		}
		p.headers = append(p.headers, h)
	}
	if err := p.agrees(); err != nil {
		return p, about(s.name(), err)
	}
	var err error
	if p.joined, err = gguf.Join(p.headers...); err != nil {
		return p, about(s.name(), err)
	}
	if err := gguf.Check(p.joined); err != nil {
		return p, about(s.name(), err)
	}
	p.info = gguf.Describe(p.joined)
	return p, nil
}

// agrees returns nil where the names of files and what they say of their place in a
// model that was split are the same.
func (p part) agrees() error {
	for i, h := range p.headers {
		count, _ := h.Metadata.Uint("split.count")
		number, _ := h.Metadata.Uint("split.no")
		switch {
		case p.count == 1 && count > 1:
			return fault.New(fault.Invalid, "it says that it is file %d of %d of a model that was split, and is not named so: such files are named …-%05d-of-%05d.gguf",
				number+1, count, number+1, count)
		case p.count > 1 && (count != uint64(p.count) || number != uint64(i)):
			return fault.New(fault.Invalid, "%s is named as file %d of %d, and says that it is file %d of %d", p.files[i].Path, i+1, p.count, number+1, count)
		case h.Version != p.headers[0].Version, h.AlignmentBytes != p.headers[0].AlignmentBytes:
			return fault.New(fault.Invalid, "%s is of another version or alignment than the first file", p.files[i].Path)
		}
	}
	return nil
}

// about says of which file an error is.
func about(path string, err error) error {
	return fault.Wrap(fault.KindOf(err), err, "%s: %s", path, fault.MessageOf(err)).On(fault.SideOf(err))
}
