// Package uploadstest has a sink for tests of uploads.
package uploadstest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Sink keeps content in a folder, each by its digest. Its methods may be called
// concurrently.
type Sink struct {
	// Dir has to be on the disk of the staging folder.
	Dir string
	// Tell hears of changes, where it isn't nil.
	Tell func(u fleet.Upload, receivedBytes int64)

	mu      sync.Mutex
	refuses error // what Check and Take answer
	took    []uploads.Finished
	changes []Change
}

// Change is what the sink heard of an upload.
type Change struct {
	Upload        fleet.Upload
	ReceivedBytes int64
}

var _ uploads.Sink = (*Sink)(nil)

// Refuse makes Take fail from now on; nil makes it go well again.
func (s *Sink) Refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = err
}

// Took returns what was taken.
func (s *Sink) Took() []uploads.Finished {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uploads.Finished(nil), s.took...)
}

// Changes returns what was heard of uploads.
func (s *Sink) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Change(nil), s.changes...)
}

// Content returns the content of this digest.
func (s *Sink) Content(sha256 string) ([]byte, error) {
	return os.ReadFile(filepath.Join(s.Dir, sha256))
}

// Known implements [uploads.Sink].
func (s *Sink) Known(_ context.Context, _ fleet.Import, sha256 string) (int64, error) {
	is, err := os.Stat(filepath.Join(s.Dir, sha256))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fault.New(fault.NotFound, "nothing has this sha256")
	}
	if err != nil {
		return 0, err
	}
	return is.Size(), nil
}

// Check implements [uploads.Sink]: there is a storage "default", and no other, and a file
// that is named so lacks another one.
func (s *Sink) Check(_ context.Context, want fleet.Import, files []fleet.UploadFile) error {
	for _, f := range files {
		if f.Name == "half.gguf" && len(files) == 1 {
			return fault.New(fault.Invalid, "the other half is missing").On(fault.Caller)
		}
	}
	if want.Storage != "" && want.Storage != "default" {
		return fault.New(fault.NotFound, "there is no storage named %q", want.Storage).On(fault.Caller)
	}
	return nil
}

// Changed implements [uploads.Sink].
func (s *Sink) Changed(u fleet.Upload, receivedBytes int64) {
	s.mu.Lock()
	s.changes = append(s.changes, Change{u, receivedBytes})
	s.mu.Unlock()
	if s.Tell != nil {
		s.Tell(u, receivedBytes)
	}
}

// Take implements [uploads.Sink].
func (s *Sink) Take(_ context.Context, f uploads.Finished) (fleet.Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses != nil {
		return fleet.Model{}, s.refuses
	}
	model := fleet.Model{ID: fleet.ModelID(f.Name), Name: f.Name, Status: "stored"}
	if f.Description != "" {
		model.Description = &f.Description
	}
	for _, file := range f.Files {
		model.SizeBytes += file.SizeBytes
		if file.Path == "" {
			continue
		}
		if err := os.Rename(file.Path, filepath.Join(s.Dir, file.SHA256)); err != nil {
			return fleet.Model{}, err
		}
	}
	s.took = append(s.took, f)
	return model, nil
}
