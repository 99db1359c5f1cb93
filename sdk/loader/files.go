package loader

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Files are those that a model is made of, for reading. Methods may be called
// concurrently.
type Files interface {
	// List returns the files that there are, without heads, each time the same.
	List() []File
	// ReadAt reads a part of a file as [io.ReaderAt] does: fewer bytes than asked for
	// come with an error, which is io.EOF at the file's end. A path that is of no file is
	// fault.NotFound. Whoever reads more than there may be read gets fault.TooLarge.
	ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error)
}

// Bytes returns files whose bytes are at hand, such as those of a test.
func Bytes(content map[string][]byte) Files { return inMemory(content) }

type inMemory map[string][]byte

func (m inMemory) List() []File {
	var files []File
	for _, path := range slices.Sorted(maps.Keys(m)) {
		files = append(files, File{Path: path, SizeBytes: int64(len(m[path]))})
	}
	return files
}

func (m inMemory) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	content, ok := m[path]
	if !ok {
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	}
	return bytes.NewReader(content).ReadAt(p, offset)
}

// Heads returns files with the beginnings that Probe is given, reading them.
func Heads(ctx context.Context, files Files) ([]File, error) {
	list := files.List()
	for i := range list[:min(len(list), MaxHeads)] {
		f := &list[i]
		f.Head = make([]byte, min(f.SizeBytes, HeadBytes))
		if n, err := files.ReadAt(ctx, f.Path, f.Head, 0); n < len(f.Head) {
			return nil, fmt.Errorf("read the beginning of %s: %w", f.Path, err)
		}
	}
	return list, nil
}

// Open returns one of the files for reading from its beginning or at any place. A path
// that is of no file is fault.NotFound.
func Open(ctx context.Context, files Files, path string) (*io.SectionReader, error) {
	for _, f := range files.List() {
		if f.Path == path {
			return io.NewSectionReader(readerAt{ctx, files, path}, 0, f.SizeBytes), nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no file %q", path)
}

type readerAt struct {
	ctx   context.Context //nolint:containedctx // of the reader, which io.ReaderAt has no place for
	files Files
	path  string
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) {
	return r.files.ReadAt(r.ctx, r.path, p, offset)
}

// Limit returns files of which no more than maxBytes can be read, all together.
func Limit(files Files, maxBytes int64) Files {
	l := &limited{Files: files}
	l.left.Store(maxBytes)
	return l
}

type limited struct {
	Files
	left atomic.Int64
}

func (l *limited) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	if l.left.Add(-int64(len(p))) < 0 {
		return 0, fault.New(fault.TooLarge, "more of the files would have to be read than there may be to see what they are").On(fault.Caller)
	}
	return l.Files.ReadAt(ctx, path, p, offset)
}

// maxPathBytes is how long a path may be.
const maxPathBytes = 1024

// CheckPath returns nil for the path of a file, and fault.Invalid on the caller's side
// for anything else. A path is relative: segments between single slashes, none of them
// "." or "..", of UTF-8 without control characters and backslashes.
func CheckPath(path string) error {
	switch {
	case path == "", len(path) > maxPathBytes:
		return invalid("a path of %d bytes is none", len(path))
	case !utf8.ValidString(path), strings.ContainsFunc(path, unicode.IsControl), strings.Contains(path, `\`):
		return invalid("the path %q has characters that no path may have", path)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return invalid("the path %q does not stay in its folder", path)
		}
	}
	return nil
}

// CheckFiles returns nil for files as a loader is given them: at least one, no more
// than [MaxFiles], with paths that differ.
func CheckFiles(files []File) error {
	if len(files) == 0 {
		return invalid("a model has no files")
	}
	if len(files) > MaxFiles {
		return fault.New(fault.TooLarge, "a model of %d files has more than %d", len(files), MaxFiles).On(fault.Caller)
	}
	seen := make(map[string]bool, len(files))
	for _, f := range files {
		if err := CheckPath(f.Path); err != nil {
			return err
		}
		if seen[f.Path] || f.SizeBytes < 0 {
			return invalid("the file %q is there twice, or has %d bytes", f.Path, f.SizeBytes)
		}
		seen[f.Path] = true
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).On(fault.Caller)
}
