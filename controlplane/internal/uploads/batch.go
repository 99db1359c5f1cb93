package uploads

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Batch takes the files of one model in, one after the other, all in one request. It
// leaves no record: when the request ends early, it is as if it had not been. A batch
// belongs to one goroutine, and has to be closed.
type Batch struct {
	service *Service
	end     context.CancelCauseFunc
	upload  fleet.Upload
	total   int64
	files   []File
	staged  []string // their names in the folder
}

// Begin begins a batch of at most so many bytes; -1 is unknown. The returned context is
// for its methods, and what the files are read from should end with it: it ends with ctx,
// and when somebody removes the batch. More than the disk has room for is fault.NoSpace.
func (s *Service) Begin(ctx context.Context, ownerID string, atMostBytes int64) (context.Context, *Batch, error) {
	if err := s.folder.room(max(atMostBytes, 0)); err != nil {
		return nil, nil, err
	}
	now := s.Now().UTC()
	ctx, end := context.WithCancelCause(ctx)
	b := &Batch{service: s, end: end, upload: fleet.Upload{
		ID: newID(), OwnerID: ownerID, SizeBytes: -1, State: fleet.UploadReceiving,
		CreatedAt: now, ChangedAt: now, ExpiresAt: now.Add(s.KeepFor),
	}}
	if atMostBytes >= 0 {
		b.upload.SizeBytes = atMostBytes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches[b.upload.ID] = end
	return ctx, b, nil
}

// Want says what is wanted of the model, as far as it is known by now: the earlier
// a fault is found, the less has come in vain.
func (b *Batch) Want(ctx context.Context, want fleet.Import) error { return b.want(ctx, want, nil) }

func (b *Batch) want(ctx context.Context, want fleet.Import, files []fleet.UploadFile) error {
	want, err := checkImport(want)
	if err != nil {
		return err
	}
	b.upload.Import = want
	return b.service.Sink.Check(ctx, want, files)
}

// Add takes a file in, to the end of from, whose errors are returned.
func (b *Batch) Add(ctx context.Context, filename string, from io.Reader) error {
	name, err := checkFilename(filename)
	switch {
	case err != nil:
		return err
	case len(b.files) == maxFiles:
		return errTooManyFiles()
	case slices.ContainsFunc(b.files, func(f File) bool { return f.Name == name }):
		return errNamedTwice(name)
	}
	s := b.service
	staged := stagedName(b.upload.ID, len(b.files))
	file, err := s.folder.create(staged)
	if err != nil {
		return explain(err)
	}
	defer file.Close() // after a flush there is nothing left to fail
	b.staged = append(b.staged, staged)
	sum := sha256.New()
	in := pump{
		file: file, limit: math.MaxInt64 - 1, sum: sum, flushBytes: s.flushBytes,
		room:   func() error { return s.folder.room(0) },
		notify: func(received int64) { s.Sink.Changed(b.upload, b.total+received) },
	}
	most := s.MaxBytes()
	if most > 0 {
		in.limit = most - b.total
	}
	memory := s.memory.Get().(*pieceSet)
	defer s.memory.Put(memory)
	err = in.run(from, memory)
	if errors.Is(err, errTooMany) {
		err = s.fits(math.MaxInt64)
	}
	if err := cmp.Or(err, context.Cause(ctx)); err != nil {
		return err
	}
	if err := in.finish(); err != nil {
		return err
	}
	b.total += in.at
	b.files = append(b.files, File{Name: name, SizeBytes: in.at, SHA256: digestOf(sum), Path: s.folder.at(staged)})
	s.Sink.Changed(b.upload, b.total)
	return nil
}

// Finish makes the model as it is wanted. Digests are those that the files have to have,
// in their order, or none.
func (b *Batch) Finish(ctx context.Context, want fleet.Import, digests []string) (fleet.Model, error) {
	if err := b.complete(ctx, want, digests); err != nil {
		return fleet.Model{}, err
	}
	u, s := &b.upload, b.service
	model, err := s.Sink.Take(context.WithoutCancel(ctx), Finished{Import: u.Import, ID: u.ID, OwnerID: u.OwnerID, Files: b.files})
	if err != nil {
		return fleet.Model{}, err
	}
	u.State = fleet.UploadDone
	s.Log.Info("files uploaded", "upload", u.ID, "model", u.Name, "files", len(b.files), "size", b.total, "caller", u.OwnerID)
	s.Sink.Changed(*u, b.total)
	return model, nil
}

// complete says why no model can be made, and fills in what goes without saying.
func (b *Batch) complete(ctx context.Context, want fleet.Import, digests []string) error {
	if len(b.files) == 0 {
		return fault.New(fault.Invalid, "there is no file").On(fault.Caller)
	}
	if len(digests) > 0 && len(digests) != len(b.files) {
		return invalid("sha256", "has to be there once for each file, or not at all")
	}
	for i, sum := range digests {
		sum, err := checkDigest(sum)
		if err != nil {
			return err
		}
		if sum != "" && sum != b.files[i].SHA256 {
			return fault.New(fault.Invalid, "the sha256 of %q is %s, not %s", b.files[i].Name, b.files[i].SHA256, sum).On(fault.Caller)
		}
	}
	if want.Name == "" {
		var err error
		if want.Name, err = nameAfter(b.files[0].Name); err != nil {
			return err
		}
	}
	files := make([]fleet.UploadFile, len(b.files))
	for i, f := range b.files {
		files[i] = fleet.UploadFile{Name: f.Name, SizeBytes: f.SizeBytes, SHA256: f.SHA256}
	}
	if err := b.want(ctx, want, files); err != nil {
		return err
	}
	b.upload.State, b.upload.SizeBytes = fleet.UploadReceived, b.total
	return nil
}

// Close removes what no model was made of.
func (b *Batch) Close() error {
	s := b.service
	s.mu.Lock()
	delete(s.batches, b.upload.ID)
	s.mu.Unlock()
	b.end(nil)
	err := s.folder.removeAll(b.staged)
	if b.upload.State != fleet.UploadDone {
		b.upload.State = fleet.UploadRemoved
		s.Sink.Changed(b.upload, b.total)
	}
	return err
}
