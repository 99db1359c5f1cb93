package peers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// blob is a file of Ollama's store: a whole one, or one that Ollama is still fetching.
//
// Ollama gives that one its full size at once, with holes, and fills it in parts from
// their beginnings, several at a time. A file of its own beside it says of each part where
// it begins, how long it is, and, once its connection has ended, how much of it is there.
// When all parts are whole, their files go and the blob gets its name, before its digest is
// looked at. So it was from Ollama 0.1 to 0.34.
type blob struct {
	path  string // of the whole one
	file  *os.File
	size  int64
	whole bool

	parts  []part // of one that isn't, by their offsets
	margin int64  // bytes before a hole that may not be there yet
}

// part is what Ollama notes of a part.
type part struct {
	N         int
	Offset    int64
	Size      int64
	Completed int64
}

func (p *part) end() int64 { return p.Offset + p.Size }

// errGone is that a blob is not fetched any more.
var errGone = errors.New("the blob is not fetched any more")

// errStill is that no more of a blob came for a while.
var errStill = errors.New("no more of the blob has come")

// openBlob opens a blob in a folder of Ollama's models. One that is not there, or of which
// can't be said what is there, is fs.ErrNotExist.
func openBlob(modelsDir, sha256 string) (*blob, error) {
	path := filepath.Join(modelsDir, "blobs", "sha256-"+sha256)
	b, err := openWhole(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = openPartial(path)
	}
	if errors.Is(err, fs.ErrNotExist) { // it may have got its name between the two
		b, err = openWhole(path)
	}
	return b, err
}

func openWhole(path string) (*blob, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return &blob{path: path, file: f, size: size, whole: true}, nil
}

func openPartial(path string) (*blob, error) {
	f, size, err := openFile(partialOf(path))
	if err != nil {
		return nil, err
	}
	b := &blob{path: path, file: f, size: size}
	if b.parts, err = readParts(path, size); err == nil {
		err = b.checkHoles()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

func partialOf(path string) string { return path + "-partial" }

func openFile(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// readParts returns the parts of a blob, which make up all of it.
func readParts(path string, size int64) ([]part, error) {
	names, err := filepath.Glob(partialOf(path) + "-*")
	if err != nil {
		return nil, err
	}
	parts := make([]part, 0, len(names))
	for _, name := range names {
		p, err := readPart(name)
		if err != nil {
			return nil, fs.ErrNotExist // it is being written, or goes
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.Offset, b.Offset) })
	at := int64(0)
	for i := range parts {
		if parts[i].Offset != at || parts[i].Size <= 0 {
			return nil, fs.ErrNotExist
		}
		at = parts[i].end()
	}
	if at != size || size == 0 {
		return nil, fs.ErrNotExist // not all of it is laid out yet, or some is done with
	}
	return parts, nil
}

func readPart(name string) (p part, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(text, &p)
}

const (
	// minMargin is what is left out before a hole: the last block of what was written may
	// have more to come, and so may the one before it where two parts meet in one block.
	// It is two of the largest blocks that common file systems have.
	minMargin = 128 << 10
	sector    = 512 // what a file's blocks are counted in
)

// checkHoles finds out whether the file system says where nothing was written. One that
// doesn't shows a file without holes that has fewer blocks than it is long.
func (b *blob) checkHoles() error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fs.ErrNotExist
	}
	hole, err := unix.Seek(int(b.file.Fd()), 0, unix.SEEK_HOLE)
	if err != nil || !credible(hole, b.size, st.Blocks*sector) {
		return fmt.Errorf("it can't be seen what is there: %w", fs.ErrNotExist)
	}
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(b.file.Fd()), &disk); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	b.margin = max(minMargin, 2*disk.Bsize)
	return nil
}

// credible reports whether a file can have its first hole there when it has taken so much
// of the disk.
func credible(hole, sizeBytes, takenBytes int64) bool {
	return hole < sizeBytes || takenBytes >= sizeBytes
}

// written returns up to where the bytes from at on are there: at itself where none are.
// Within a part there is nothing missing before what is there.
func (b *blob) written(at int64) (int64, error) {
	if b.whole {
		return b.size, nil
	}
	i := slices.IndexFunc(b.parts, func(p part) bool { return at < p.end() })
	if i < 0 {
		return at, nil
	}
	p := &b.parts[i]
	if p.Completed < p.Size {
		switch now, err := readPart(fmt.Sprintf("%s-%d", partialOf(b.path), p.N)); {
		case errors.Is(err, fs.ErrNotExist):
			return b.finished(at)
		case err == nil && now.Offset == p.Offset && now.Size == p.Size: // else it is being written
			p.Completed = max(p.Completed, min(now.Completed, p.Size))
		}
	}
	there := p.Offset + p.Completed
	if p.Completed < p.Size {
		hole, err := unix.Seek(int(b.file.Fd()), at, unix.SEEK_HOLE)
		if err != nil {
			return at, fmt.Errorf("look for what is there: %w", err)
		}
		there = max(there, min(hole, p.end())-b.margin)
	}
	return max(at, there), nil
}

// finished looks what became of a blob whose parts have gone.
func (b *blob) finished(at int64) (int64, error) {
	mine, err := b.file.Stat()
	if err != nil {
		return at, err
	}
	if info, err := os.Stat(b.path); err == nil && os.SameFile(mine, info) {
		b.whole = true
		return b.size, nil
	}
	if info, err := os.Stat(partialOf(b.path)); err == nil && os.SameFile(mine, info) {
		return at, nil // it gets its name next
	}
	return at, errGone
}

// pollEvery is how often is looked whether more of a blob has come.
const pollEvery = 30 * time.Millisecond

// await returns up to where the bytes from at on are there, when some are. It is errStill
// when none came for so long, and at once when nobody fetches.
func (b *blob) await(ctx context.Context, at int64, patience time.Duration, fetching func() bool) (int64, error) {
	end, err := b.written(at)
	if err != nil || end > at {
		return end, err
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return at, ctx.Err()
		case <-late.C:
			return at, errStill
		case <-tick.C:
			comes := fetching()
			if end, err := b.written(at); err != nil || end > at {
				return end, err
			}
			if !comes {
				return at, errStill
			}
		}
	}
}
