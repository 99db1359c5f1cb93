package uploads

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Options are what a [Service] is made of. All fields are required.
type Options struct {
	Store fleet.UploadStore
	Sink  Sink
	// Importer is asked where no bytes come, but the URL of a storage.
	Importer Importer
	// Folder is where files lie while they are uploads. It is the service's alone, and
	// made when it is missing.
	Folder string
	// ReserveBytes of the folder's disk are left free.
	ReserveBytes int64
	// MaxBytes is how large a model may be now; 0 is no limit.
	MaxBytes func() int64
	// KeepFor is for how long an upload is kept to which nothing comes.
	KeepFor time.Duration
	Log     hclog.Logger
	Now     func() time.Time
}

// Service takes uploads in. Its methods may be called concurrently.
type Service struct {
	Options
	folder     folder
	turns      turns
	memory     sync.Pool // of *pieceSet
	flushBytes int64
	mostFiles  int // that all uploads together may have

	mu      sync.Mutex
	batches map[string]context.CancelCauseFunc // those under way, by their ids
	files   int                                // of all uploads that are known
}

// New returns a service; see [Service.Load].
func New(o Options) *Service {
	return &Service{
		Options: o,
		folder:  folder{path: o.Folder, reserveBytes: o.ReserveBytes},
		turns:   turns{byID: map[string]*turn{}},
		memory:  sync.Pool{New: func() any { return new(pieceSet) }},

		flushBytes: flushBytes, mostFiles: maxFilesKnown, batches: map[string]context.CancelCauseFunc{},
	}
}

// Start is what an upload begins with.
type Start struct {
	fleet.Import // without a name it gets one after the first file's
	// Files are those of the model, with the digests that they have to have; an empty one is
	// any. A single one may be without a name where the model has one.
	Files   []fleet.UploadFile
	OwnerID string // of the key or session
	// Key is what the owner calls this beginning: the same again is the same upload. Empty
	// is nothing.
	Key string
}

// newID returns an id that nobody can guess, safe in URLs and as a file's name.
func newID() string { return "u_" + strings.ToLower(rand.Text()) }

// Create begins an upload. It is refused before a byte was taken where it could come to
// nothing: fault.Invalid, fault.TooLarge, fault.NoSpace, or what the sink says. One of content
// that the sink knows is done at once.
//
// One that its owner began before under the same key is returned as it is now, or is
// [ErrKeyTaken] where it was begun with something else.
func (s *Service) Create(ctx context.Context, start Start) (fleet.Upload, error) {
	if start.Key != "" {
		if u, err := s.begunBefore(ctx, start); fault.KindOf(err) != fault.NotFound {
			return u, err
		}
	}
	u, err := s.admit(ctx, start)
	if err != nil {
		return fleet.Upload{}, err
	}
	known, err := s.known(ctx, &u)
	if err != nil {
		return fleet.Upload{}, err
	}
	if known {
		u.State, u.OffsetBytes, u.Hash = fleet.UploadReceived, u.SizeBytes, nil
	}
	if err := s.hold(len(u.Files)); err != nil {
		return fleet.Upload{}, err
	}
	if err := s.record(ctx, &u, known); err != nil {
		s.letGo(len(u.Files))
		if start.Key != "" && fault.KindOf(err) == fault.Conflict { // somebody else was faster
			return s.begunBefore(ctx, start)
		}
		return fleet.Upload{}, err
	}
	s.Log.Info("upload begun", "upload", u.ID, "model", u.Name, "files", len(u.Files), "size", u.SizeBytes, "caller", u.OwnerID, "known", known)
	s.Sink.Changed(u, u.OffsetBytes)
	return s.begun(ctx, u)
}

// begun returns an upload that has begun, once what needs no bytes for that is done.
func (s *Service) begun(ctx context.Context, u fleet.Upload) (fleet.Upload, error) {
	if u.State == fleet.UploadReceiving && u.OffsetBytes < u.SizeBytes {
		return u, nil
	}
	return s.Append(ctx, u.ID, Piece{OffsetBytes: u.OffsetBytes, Body: strings.NewReader("")})
}

// Check says why an upload would be refused that begins so, as far as that can be said
// without the digests of its files: with them it may be done at once, whatever the disk has.
func (s *Service) Check(ctx context.Context, start Start) error {
	_, err := s.admit(ctx, start)
	return err
}

// record stores a new upload, with files for its bytes unless the sink knows them.
func (s *Service) record(ctx context.Context, u *fleet.Upload, known bool) error {
	if !known {
		if err := s.folder.room(u.SizeBytes); err != nil {
			return err
		}
		if err := s.folder.makeAll(stagedNames(u)); err != nil {
			return explain(err)
		}
	}
	if err := s.Store.CreateUpload(ctx, *u); err != nil {
		return errors.Join(err, s.folder.removeAll(stagedNames(u)))
	}
	return nil
}

// maxFilesKnown is how many files all uploads together may have that are known. Each takes
// a place on the disk before any of its bytes are there, and memory whenever they are listed.
const maxFilesKnown = 100 * maxFiles

// hold counts the files of a new upload.
func (s *Service) hold(files int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files+files > s.mostFiles {
		return fault.New(fault.RateLimited, "the uploads of the last %.0f hours have %d files, of %d at most; cancel those that nobody goes on with", s.KeepFor.Hours(), s.files, s.mostFiles).On(fault.Caller)
	}
	s.files += files
	return nil
}

// letGo counts the files of an upload that is forgotten.
func (s *Service) letGo(files int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files -= files
}

// Checked returns the start in one form, with the names that go without saying, or
// what is wrong with it.
func (start Start) Checked() (Start, error) {
	var err error
	if start.Import, err = checkImport(start.Import); err != nil {
		return start, err
	}
	if start.Files, err = checkFiles(start.Files, start.Name); err != nil {
		return start, err
	}
	if start.Name == "" {
		start.Name, err = nameAfter(start.Files[0].Name)
	}
	return start, err
}

// admit returns the upload that a start would become.
func (s *Service) admit(ctx context.Context, start Start) (fleet.Upload, error) {
	start, err := start.Checked()
	if err != nil {
		return fleet.Upload{}, err
	}
	var size int64
	for _, f := range start.Files {
		size += f.SizeBytes
	}
	if err := s.fits(size); err != nil {
		return fleet.Upload{}, err
	}
	now := s.Now().UTC()
	return fleet.Upload{
		ID: newID(), Import: start.Import, Files: start.Files, SizeBytes: size, OwnerID: start.OwnerID, BegunUnder: start.Key, BegunWith: start.digest(),
		State: fleet.UploadReceiving, Hash: stateOf(sha256.New()), CreatedAt: now, ChangedAt: now, ExpiresAt: now.Add(s.KeepFor),
	}, s.Sink.Check(ctx, start.Import, start.Files)
}

// fits is fault.TooLarge for more bytes than a model may have.
func (s *Service) fits(sizeBytes int64) error {
	if most := s.MaxBytes(); most > 0 && sizeBytes > most {
		return fault.New(fault.TooLarge, "a model may have at most %s here, by models.max_model_size", humanize.IBytes(uint64(most))).On(fault.Caller)
	}
	return nil
}

// known reports whether the sink has the content of all of an upload's files already.
func (s *Service) known(ctx context.Context, u *fleet.Upload) (bool, error) {
	for _, f := range u.Files {
		if f.SHA256 == "" {
			return false, nil
		}
		size, err := s.Sink.Known(ctx, u.Import, f.SHA256)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return false, nil
		case err != nil:
			return false, err
		case size != f.SizeBytes:
			return false, fault.New(fault.Invalid, "what has the sha256 of %q has %d bytes, not %d", f.Name, size, f.SizeBytes).On(fault.Caller)
		}
	}
	return true, nil
}

// Look returns an upload. Who works on it is made to stop first: whoever asks means to go
// on, and has to know from where.
func (s *Service) Look(ctx context.Context, id string) (fleet.Upload, error) {
	_, leave, err := s.turns.take(ctx, id)
	if err != nil {
		return fleet.Upload{}, err
	}
	defer leave()
	return s.find(context.WithoutCancel(ctx), id)
}

// Remove ends an upload, and whoever works on it. Its bytes are gone when it returns, or
// in the case of a batch, soon.
func (s *Service) Remove(ctx context.Context, id string) error {
	s.mu.Lock()
	end := s.batches[id]
	s.mu.Unlock()
	if end != nil {
		end(errEnded)
		return nil
	}
	_, leave, err := s.turns.take(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx)
	u, err := s.Store.Upload(ctx, id)
	if err != nil {
		return err
	}
	return s.remove(ctx, u)
}

// errEnded is why a batch ends that somebody ended.
var errEnded = fault.New(fault.Conflict, "somebody ended this upload").On(fault.Caller)

// remove has to be called with the upload's turn.
func (s *Service) remove(ctx context.Context, u fleet.Upload) error {
	if err := s.folder.removeAll(stagedNames(&u)); err != nil {
		return err
	}
	if err := s.Store.RemoveUpload(ctx, u.ID); err != nil {
		return err
	}
	s.letGo(len(u.Files))
	if u.State == fleet.UploadReceiving || u.State == fleet.UploadReceived {
		u.State = fleet.UploadRemoved
		s.Sink.Changed(u, u.OffsetBytes)
	}
	s.Log.Info("upload removed", "upload", u.ID, "model", u.Name, "state", u.State)
	return nil
}

// find returns an upload that hasn't expired.
func (s *Service) find(ctx context.Context, id string) (fleet.Upload, error) {
	u, err := s.Store.Upload(ctx, id)
	if err == nil && !s.Now().Before(u.ExpiresAt) {
		return u, fault.New(fault.NotFound, "the upload %q has expired", id).On(fault.Caller)
	}
	return u, err
}

// save stores how an upload is now, which counts as a sign of life.
func (s *Service) save(ctx context.Context, u *fleet.Upload) error {
	u.ChangedAt = s.Now().UTC()
	u.ExpiresAt = u.ChangedAt.Add(s.KeepFor)
	return s.Store.SaveUpload(ctx, *u)
}

// goOn returns a digest in the state that an upload left it in.
func goOn(state []byte) (hash.Hash, error) {
	sum := sha256.New()
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, err
	}
	return sum, nil
}

func digestOf(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }
