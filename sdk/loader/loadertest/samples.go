package loadertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Sample are files that a loader is tried on.
type Sample struct {
	Name string
	// Format is what the files are, such as gguf, or what bad ones pretend to be; "" is
	// something that no loader knows.
	Format string
	// Bad is what is wrong with them, where something is: no loader may take them.
	Bad string
	// Missing are files that a loader should miss.
	Missing []string
	Files   loader.Files
}

// heads returns the files as Probe is given them.
func (s Sample) heads(t *trial) []loader.File {
	files, err := loader.Heads(t.ctx, s.Files)
	if err != nil {
		t.fatalf("the sample %q can't be read: %v", s.Name, err)
	}
	return files
}

// sizeBytes is how much there is of the files.
func (s Sample) sizeBytes() (n int64) {
	for _, f := range s.Files.List() {
		n += f.SizeBytes
	}
	return n
}

// content returns the bytes of the files.
func (s Sample) content(t *trial) map[string][]byte {
	all := map[string][]byte{}
	for _, f := range s.Files.List() {
		p := make([]byte, f.SizeBytes)
		if n, err := s.Files.ReadAt(t.ctx, f.Path, p, 0); n < len(p) {
			t.fatalf("the sample %q can't be read: %v", s.Name, err)
		}
		all[f.Path] = p
	}
	return all
}

// smallBytes is how large a sample may be for checks that change its bytes.
const smallBytes = 256 << 10

// own returns the samples that the loader takes for what they are, or for what they
// pretend to be.
func (t *trial) own(bad bool) []Sample {
	var own []Sample
	for _, s := range t.samples {
		if s.Format == "" || (s.Bad != "") != bad {
			continue
		}
		if t.claims(s) {
			own = append(own, s)
		}
	}
	if len(own) == 0 && !bad {
		t.fatalf("it takes none of the samples for one of its own, so that nothing can be checked: give it some in its format")
	}
	return own
}

// claims reports whether the loader takes a sample for one of its own.
func (t *trial) claims(s Sample) bool {
	g, err := t.Probe(t.ctx, s.heads(t))
	if err != nil {
		t.fatalf("Probe of %s: %v", s.Name, err)
	}
	return g.Format == s.Format && g.Confidence > loader.Impossible
}

// small returns the good samples of the loader's own that are small.
func (t *trial) small() []Sample {
	return slices.DeleteFunc(t.own(false), func(s Sample) bool { return s.sizeBytes() > smallBytes })
}

// ReadSamples returns the samples in a folder: "good" and "bad" have a folder for each,
// whose name is the sample's, with its files. All are of one format.
func ReadSamples(dir, format string) ([]Sample, error) {
	var all []Sample
	for _, verdict := range []string{"good", "bad"} {
		folders, err := os.ReadDir(filepath.Join(dir, verdict))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, f := range folders {
			if !f.IsDir() {
				continue
			}
			s := Sample{Name: f.Name(), Format: format}
			if verdict == "bad" {
				s.Bad = f.Name()
			}
			if s.Files, err = Folder(filepath.Join(dir, verdict, f.Name())); err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, "there are no samples in %s: it has folders %q and %q, with a folder for each sample", dir, "good", "bad").On(fault.Caller)
	}
	return all, nil
}

// Folder returns the files in a folder and below, for reading.
func Folder(dir string) (loader.Files, error) {
	f := folder{root: dir}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		f.files = append(f.files, loader.File{Path: filepath.ToSlash(name), SizeBytes: info.Size()})
		return err
	})
	return f, err
}

type folder struct {
	root  string
	files []loader.File
}

func (f folder) List() []loader.File { return slices.Clone(f.files) }

func (f folder) ReadAt(ctx context.Context, path string, p []byte, offset int64) (n int, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if !slices.ContainsFunc(f.files, func(one loader.File) bool { return one.Path == path }) {
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	}
	file, err := os.Open(filepath.Join(f.root, filepath.FromSlash(path)))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	defer file.Close() // it is only read
	return file.ReadAt(p, offset)
}
