package gguf

import (
	"github.com/corral-fleet/corral/sdk/fault"
)

// Join makes one header of those of all files of a split model, in whatever order they
// come, for [Describe] and [EstimateMemory]. It has the metadata of the first file and the
// tensors of all, whose offsets are each in the file of its own; SizeBytes is that of all
// files. It fails with [fault.Invalid] where they aren't the files of one model.
func Join(files ...*Header) (*Header, error) {
	if len(files) == 1 && files[0].split() == nil {
		return files[0], nil
	}
	if len(files) == 0 {
		return nil, fault.New(fault.Invalid, "there is no file to be joined")
	}
	ordered := make([]*Header, len(files))
	for _, f := range files {
		s := f.split()
		switch {
		case s == nil:
			return nil, fault.New(fault.Invalid, "one of the %d files isn't a part of a model", len(files))
		case s.Count != uint64(len(files)):
			return nil, fault.New(fault.Invalid, "a file is one of %d of its model: there are %d", s.Count, len(files))
		case s.Number >= s.Count:
			return nil, fault.New(fault.Invalid, "a file calls itself number %d of %d, counted from 0", s.Number, s.Count)
		case ordered[s.Number] != nil:
			return nil, fault.New(fault.Invalid, "two files call themselves number %d of %d, counted from 0", s.Number, s.Count)
		}
		ordered[s.Number] = f
	}
	return join(ordered)
}

// join puts files together that are in their order.
func join(files []*Header) (*Header, error) {
	joined := *files[0]
	joined.Tensors, joined.SizeBytes = nil, 0
	seen := map[string]bool{}
	for i, f := range files {
		for _, t := range f.Tensors {
			if seen[t.Name] {
				return nil, fault.New(fault.Invalid, "the tensor %q of file %d is in another one as well", t.Name, i)
			}
			seen[t.Name] = true
		}
		joined.Tensors = append(joined.Tensors, f.Tensors...)
		joined.SizeBytes += f.SizeBytes
	}
	for i, f := range files {
		if want := f.split().Tensors; want != 0 && want != uint64(len(joined.Tensors)) {
			return nil, fault.New(fault.Invalid, "file %d says that the model has %d tensors: its files have %d", i, want, len(joined.Tensors))
		}
	}
	return &joined, nil
}
