package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// PartialBytes is how much of the disk an unfinished download of a blob has taken.
func (s *Store) PartialBytes(digest string) int64 {
	info, err := os.Stat(s.blob(digest) + "-partial")
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(st.Blocks*512, info.Size())
	}
	return 0
}

// DropBroken deletes the unfinished download of a blob, by its sha256 in hexadecimal, where
// Ollama can't read how far it is: it was killed while it noted that, and refuses the blob
// from then on. It reports whether that was so. It must not be called while Ollama
// downloads the blob.
func (s *Store) DropBroken(digest string) (dropped bool, err error) {
	name := "sha256-" + digest
	if !s.broken(name) {
		return false, nil
	}
	for _, path := range append(s.notes(name), s.blob(digest)+"-partial") {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, collectFault(err)
		}
	}
	return true, nil
}

// notes returns the files in which Ollama notes how far each part of a download is, by the
// name of the blob.
func (s *Store) notes(blob string) []string {
	notes, _ := filepath.Glob(filepath.Join(s.blobs(), blob+"-partial-*")) // only a bad pattern is an error
	return notes
}

// broken reports whether Ollama can't read one of its notes of a download: it has emptied
// such a file each time before it writes it.
func (s *Store) broken(blob string) bool {
	return slices.ContainsFunc(s.notes(blob), func(path string) bool {
		text, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(text, &struct{ Size int64 }{}) != nil
	})
}
