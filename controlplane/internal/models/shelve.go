package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// shelve stores the files of a parcel. A file that another model has stored there
// already, by its digest, is stored once.
func (s *Service) shelve(ctx context.Context, name string, p *Parcel, job *operations.Job) (files []fleet.ModelFile, err error) {
	var done, total int64
	for _, f := range p.Files {
		total += f.SizeBytes
	}
	for _, f := range p.Files {
		stored, have := s.reserve(name, p.Storage, f)
		switch {
		case f.Stored != nil:
			stored, err = s.digest(ctx, *f.Stored, func(n int64) { job.Progress("hashing", done+n, total, "") })
			if err != nil {
				return nil, err
			}
			stored.Path, stored.Borrowed = f.Path, true
		case have:
		case f.Local == "":
			return nil, fault.New(fault.Conflict, "the file %q was here when it was announced, and has been deleted since; upload it again", f.Path).On(fault.Caller)
		default:
			stored, err = s.shelveOne(ctx, name, p.Storage, f, func(n int64) { job.Progress("storing", done+n, total, "") })
			if stored.Storage != "" { // also where it failed: some of it may be there
				s.keep(name, stored)
			}
			if err != nil {
				return nil, err
			}
		}
		files = append(files, stored)
		done += f.SizeBytes
	}
	return files, nil
}

func (s *Service) shelveOne(ctx context.Context, name, storage string, f ParcelFile, told func(doneBytes int64)) (stored fleet.ModelFile, err error) {
	stored = fleet.ModelFile{Path: f.Path, Key: keyOf(name, f), SizeBytes: f.SizeBytes, SHA256: f.SHA256}
	told(0)
	if stored.Storage, err = s.Storages.Put(ctx, storage, stored.Key, f.Local, f.SHA256); err != nil {
		return stored, err
	}
	told(f.SizeBytes)
	return stored, nil
}

// digest returns a file with its sha256, which is found out where nobody knows it.
func (s *Service) digest(ctx context.Context, f fleet.ModelFile, told func(doneBytes int64)) (_ fleet.ModelFile, err error) {
	if f.SHA256 != "" {
		return f, nil
	}
	in, err := s.Storages.Open(ctx, f.Storage, f.Key, storage.Range{})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	sum := sha256.New()
	n, err := io.CopyBuffer(counted{sum, told, new(int64)}, in, make([]byte, 1<<20))
	if err != nil {
		return f, err
	}
	if n != f.SizeBytes {
		return f, fault.New(fault.Conflict, "the file %q was replaced while it was read", f.Key)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

// counted tells how much has been written.
type counted struct {
	io.Writer

	told func(int64)
	n    *int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	c.told(*c.n)
	return n, err
}

// keyOf returns where in a storage a file is: such that a person finds it, and that two
// versions of it are two files.
func keyOf(name string, f ParcelFile) string {
	folder := strings.NewReplacer(":", "/", "@", "_").Replace(fleet.ShownModel(name))
	return path.Join("models", folder, f.SHA256[:12], f.Path)
}

// reserve returns a file of the catalogue of the digest of one that is being taken, and
// keeps it as long as that is taken.
func (s *Service) reserve(name, storage string, f ParcelFile) (fleet.ModelFile, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.fileOf(storage, f.SHA256)
	if !ok || f.SHA256 == "" || f.Stored != nil {
		return have, false
	}
	have.Path = f.Path
	s.taking[fleet.CanonicalModel(name)].keep(have)
	return have, true
}

// keep has a file stay as long as its model is taken.
func (s *Service) keep(name string, f fleet.ModelFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taking[fleet.CanonicalModel(name)].keep(f)
}

func (t *taking) keep(f fleet.ModelFile) {
	if !slices.Contains(t.files, f) {
		t.files = append(t.files, f)
	}
}

// fileOf returns a file of the catalogue by its digest. s.mu is held.
func (s *Service) fileOf(storage, sha256 string) (fleet.ModelFile, bool) {
	for _, m := range s.models {
		if s.lost(&m) {
			continue
		}
		for _, f := range m.Files {
			if f.SHA256 == sha256 && (storage == "" || f.Storage == storage) {
				return f, true
			}
		}
	}
	return fleet.ModelFile{}, false
}

// Known returns the size of a file that the catalogue has in a storage, by its digest;
// the empty name is any storage. One that it doesn't have there is fault.NotFound.
func (s *Service) Known(storage, sha256 string) (sizeBytes int64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if f, ok := s.fileOf(storage, sha256); ok {
		return f.SizeBytes, nil
	}
	return 0, fault.New(fault.NotFound, "no model has a file of this digest")
}

// drop deletes files that no model has. Those of a storage that was forgotten stay where they
// are: a model can be deleted all the same.
func (s *Service) drop(ctx context.Context, files []fleet.ModelFile) error {
	var errs []error
	for _, f := range files {
		if !f.Borrowed && !s.uses(f) {
			err := s.Storages.Delete(ctx, f.Storage, f.Key)
			if fault.KindOf(err) == fault.NotFound && fault.SideOf(err) == fault.Caller {
				s.Log.Warn("a file stays in a storage that there is no more", "storage", f.Storage, "key", f.Key)
				err = nil
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// uses reports whether a model has a file, in the catalogue or on its way there.
func (s *Service) uses(f fleet.ModelFile) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	is := func(has fleet.ModelFile) bool { return has.Storage == f.Storage && has.Key == f.Key }
	for _, m := range s.models {
		if !s.lost(&m) && slices.ContainsFunc(m.Files, is) {
			return true
		}
	}
	for _, t := range s.taking {
		if slices.ContainsFunc(t.files, is) {
			return true
		}
	}
	return false
}
