package main

import (
	"archive/tar"
	"archive/zip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

// archive are files that are in another file, each in one piece and as it is, so that a
// part of it can be read there.
type archive struct {
	file  loader.File
	files map[string]inside // by their paths
}

// inside is where in an archive a file is.
type inside struct {
	offset, length int64
}

// maxInside is how many files an archive may have.
const maxInside = 10_000

// packing is how an archive is made of files.
type packing string

const (
	tarred     packing = "tar"
	zipped     packing = "zip"
	compressed packing = "compressed"
)

// tarMagic is in the first header of a tar, at tarMagicAt.
const (
	tarMagic   = "ustar"
	tarMagicAt = 257
)

// packingOf returns how a file is packed, by its name and beginning, "" for not at all.
func packingOf(f loader.File) packing {
	begins := func(magic string) bool { return strings.HasPrefix(string(f.Head), magic) }
	name := strings.ToLower(f.Path)
	ends := func(endings ...string) bool {
		return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) })
	}
	switch {
	case len(f.Head) > tarMagicAt+len(tarMagic) && string(f.Head[tarMagicAt:tarMagicAt+len(tarMagic)]) == tarMagic, f.Head == nil && ends(".tar"):
		return tarred
	case begins("PK\x03\x04"), f.Head == nil && ends(".zip"):
		return zipped
	case ends(".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.lz4"):
		return compressed
	}
	return ""
}

// open reads what is in an archive, without its files' bytes.
func open(ctx context.Context, files loader.Files, f loader.File, by packing) (*archive, error) {
	section, err := loader.Open(ctx, files, f.Path)
	if err != nil {
		return nil, err
	}
	in := &source{ReaderAt: section}
	a := &archive{file: f, files: map[string]inside{}}
	switch by {
	case tarred:
		err = a.readTar(io.NewSectionReader(in, 0, f.SizeBytes))
	case zipped:
		err = a.readZip(in)
	default:
		err = fault.New(fault.NotImplemented, "%s is compressed, so that no part of it can be read by itself: unpack it, and pack it again as a tar without compression", f.Path)
	}
	if in.failed != nil {
		return nil, in.failed
	}
	return a, err
}

// source remembers why a file could not be read.
type source struct {
	io.ReaderAt

	failed error
}

// ReadAt implements [io.ReaderAt].
func (s *source) ReadAt(p []byte, offset int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) && s.failed == nil {
		s.failed = err
	}
	return n, err
}

func (a *archive) readTar(in *io.SectionReader) error {
	r := tar.NewReader(in)
	for entries := 0; ; entries++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if entries == maxInside {
			return a.tooMany()
		}
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "%s is cut off, or no sound tar", a.file.Path)
		}
		at, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
		case tar.TypeGNUSparse:
			return a.refuse(h.Name, "has holes: pack it without --sparse")
		default:
			return a.refuse(h.Name, "is a link, or no file at all")
		}
		for key := range h.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return a.refuse(h.Name, "has holes: pack it without --sparse")
			}
		}
		if err := a.add(h.Name, at, h.Size); err != nil {
			return err
		}
	}
}

func (a *archive) readZip(in io.ReaderAt) error {
	if err := a.checkZip(in); err != nil {
		return err
	}
	r, err := zip.NewReader(in, a.file.SizeBytes)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return fault.Wrap(fault.Corrupt, err, "%s is cut off, or no sound zip", a.file.Path)
	}
	for _, f := range r.File {
		const encrypted = 1
		switch {
		case strings.HasSuffix(f.Name, "/"):
			continue
		case !f.Mode().IsRegular():
			return a.refuse(f.Name, "is a link, or no file at all")
		case f.Method != zip.Store, f.Flags&encrypted != 0, f.CompressedSize64 != f.UncompressedSize64:
			return fault.New(fault.NotImplemented, "in %s, %.200q is compressed or encrypted, so that no part of it can be read by itself: pack it again with zip -0, or as a tar without compression", a.file.Path, f.Name)
		}
		at, err := f.DataOffset()
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "%s is no sound zip", a.file.Path)
		}
		if err := a.add(f.Name, at, int64(min(f.UncompressedSize64, 1<<62))); err != nil {
			return err
		}
	}
	return nil
}

// checkZip refuses a zip that says that it has more files than it may: whoever reads it
// makes room for as many.
func (a *archive) checkZip(in io.ReaderAt) error {
	const (
		endBytes, countAt, commentAt = 22, 10, 20 // of the record at the end
		locatorBytes, whereAt        = 20, 8      // of what is before it in large ones, and says where
		largeBytes, largeCountAt     = 56, 32     // the record of large ones is
	)
	tail := make([]byte, min(a.file.SizeBytes, endBytes+1<<16-1))
	base := a.file.SizeBytes - int64(len(tail))
	if _, err := in.ReadAt(tail, base); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for at := range len(tail) - endBytes + 1 {
		end := tail[at:]
		if string(end[:4]) != "PK\x05\x06" || endBytes+int(binary.LittleEndian.Uint16(end[commentAt:])) > len(end) {
			continue
		}
		count := uint64(binary.LittleEndian.Uint16(end[countAt:]))
		if at >= locatorBytes && string(tail[at-locatorBytes:at-locatorBytes+4]) == "PK\x06\x07" {
			large := make([]byte, largeBytes)
			where := binary.LittleEndian.Uint64(tail[at-locatorBytes+whereAt:])
			if n, err := in.ReadAt(large, int64(min(where, 1<<62))); n < len(large) {
				return fault.Wrap(fault.Corrupt, err, "%s is cut off, or no sound zip", a.file.Path)
			}
			count = max(count, binary.LittleEndian.Uint64(large[largeCountAt:]))
		}
		if count > maxInside {
			return a.tooMany()
		}
	}
	return nil
}

func (a *archive) tooMany() error {
	return fault.New(fault.TooLarge, "%s has more than %d files", a.file.Path, maxInside)
}

// add notes a file. One whose path leads out of the archive, or whose bytes are not all
// there, is refused.
func (a *archive) add(name string, offset, length int64) error {
	clean := strings.TrimPrefix(name, "./")
	if err := loader.CheckPath(clean); err != nil {
		return a.refuse(name, "has a path that leads out of it, or is none")
	}
	if _, twice := a.files[clean]; twice {
		return a.refuse(name, "is there twice")
	}
	if offset < 0 || length < 0 || length > a.file.SizeBytes-offset {
		return fault.New(fault.Corrupt, "%s is cut off: it has not all of %.200q", a.file.Path, name)
	}
	a.files[clean] = inside{offset, length}
	return nil
}

func (a *archive) refuse(name, why string) error {
	return fault.New(fault.Invalid, "in %s, %.200q %s", a.file.Path, name, why)
}

// part returns a file of the archive as a part of a layer.
func (a *archive) part(at inside) loader.Part {
	return loader.Part{File: a.file.Path, OffsetBytes: at.offset, LengthBytes: at.length}
}

// looksPacked reports whether the beginning of an archive has a file of an Ollama's store.
func looksPacked(f loader.File, by packing) bool {
	if by == zipped {
		return isOfStore(firstOfZip(f.Head))
	}
	in := strings.NewReader(string(f.Head))
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err != nil {
			return false
		}
		if isOfStore(h.Name) {
			return true
		}
	}
}

// firstOfZip returns the path of the first file of a zip.
func firstOfZip(head []byte) string {
	const fixed, lengthAt = 30, 26
	if len(head) < fixed {
		return ""
	}
	length := int(head[lengthAt]) | int(head[lengthAt+1])<<8
	return string(head[fixed:min(fixed+length, len(head))])
}

// isOfStore reports whether a path is one of an Ollama's store, which may be in folders.
func isOfStore(name string) bool {
	segments := strings.Split(path.Clean(name), "/")
	return slices.ContainsFunc(segments, func(s string) bool { return s == "manifests" || s == "blobs" || strings.HasPrefix(s, "sha256-") })
}

// readPart returns a small part of a file.
func readPart(ctx context.Context, files loader.Files, p loader.Part, maxBytes int64) ([]byte, error) {
	if p.LengthBytes > maxBytes {
		return nil, fault.New(fault.TooLarge, "in %s there is a text of %d bytes", p.File, p.LengthBytes)
	}
	text := make([]byte, p.LengthBytes)
	if n, err := files.ReadAt(ctx, p.File, text, p.OffsetBytes); n < len(text) {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, fault.New(fault.Corrupt, "%s is cut off", p.File)
		}
		return nil, fmt.Errorf("read %s: %w", p.File, err)
	}
	return text, nil
}
