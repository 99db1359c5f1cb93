package check

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// learnObjects reads what a storage is known to have that can only be read.
func (s *subject) learnObjects() error {
	if s.Objects == "" {
		return program.Usage(fault.New(fault.Invalid, "the storage can only be read: name a folder with objects that it has, by --objects"))
	}
	s.known = storagetest.Known{}
	folder := os.DirFS(s.Objects)
	err := fs.WalkDir(folder, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		s.known[path], err = fs.ReadFile(folder, path)
		return err
	})
	if err == nil && len(s.known) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		return program.Usage(fault.Wrap(fault.Invalid, err, "the objects in %s can't be read", s.Objects))
	}
	return nil
}

// object returns the key of an object of so many bytes, which it has put, or of one that
// the storage has where it can only be read: the largest.
func (s *subject) object(ctx context.Context, b storage.Backend, sizeBytes int) (string, error) {
	if !s.onlyReads {
		const key = "st/a"
		return key, b.Put(ctx, key, storage.Bytes(make([]byte, sizeBytes)))
	}
	largest := ""
	for key, content := range s.known {
		if largest == "" || len(content) > len(s.known[largest]) {
			largest = key
		}
	}
	return largest, nil
}

// remove deletes an object where it was put.
func (s *subject) remove(ctx context.Context, b storage.Backend, key string) error {
	if s.onlyReads {
		return nil
	}
	return b.Delete(ctx, key)
}
