package uploads

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/fault"
)

// BlobOptions are what [Blobs] are made of. All fields are required.
type BlobOptions struct {
	// Folder is where they lie. It is theirs alone, and made when it is missing.
	Folder string
	// ReserveBytes of the folder's disk are left free.
	ReserveBytes int64
	// MaxBytes is how large one may be now; 0 is no limit.
	MaxBytes func() int64
	// KeepFor is for how long one is kept that nobody asks for.
	KeepFor time.Duration
	Log     hclog.Logger
	Now     func() time.Time
}

// Blobs are files that come before anybody says what becomes of them, as Ollama's command
// line sends them: they are known by their digests alone. Its methods may be called
// concurrently.
type Blobs struct {
	BlobOptions
	folder folder
}

// NewBlobs returns blobs; see [Blobs.Load].
func NewBlobs(o BlobOptions) *Blobs {
	return &Blobs{BlobOptions: o, folder: folder{path: o.Folder, reserveBytes: o.ReserveBytes}}
}

// blobPrefix is how the name of a whole blob begins. Every other file is one on its way
// here, or from here.
const blobPrefix = "sha256-"

// Load makes the folder, and removes what a kill left in it that is no blob. It has to be
// called before anything else.
func (b *Blobs) Load() error {
	if err := os.MkdirAll(b.Folder, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(b.Folder)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), blobPrefix) {
			err = errors.Join(err, b.folder.remove(e.Name()))
		}
	}
	return err
}

// Run removes blobs that nobody has asked for, until ctx ends. It returns nil.
func (b *Blobs) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := b.Sweep(); err != nil {
			b.Log.Error("blobs not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Sweep removes blobs that nobody has asked for.
func (b *Blobs) Sweep() error {
	entries, err := os.ReadDir(b.Folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		is, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), blobPrefix) || b.Now().Sub(is.ModTime()) < b.KeepFor {
			continue // one that is gone already is as good as removed
		}
		errs = append(errs, b.folder.remove(e.Name()))
		b.Log.Info("blob removed that nobody asked for", "file", e.Name(), "size", is.Size())
	}
	return errors.Join(errs...)
}

// Size returns how large a blob is, by its sha256 in lower case hexadecimal, and keeps it
// for longer. One that isn't there is fault.NotFound.
func (b *Blobs) Size(sha256 string) (int64, error) {
	path := b.folder.at(blobPrefix + sha256)
	now := b.Now()
	err := os.Chtimes(path, now, now)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fault.Wrap(fault.NotFound, err, "there is no blob of the sha256 %s", sha256).On(fault.Caller)
	}
	if err != nil {
		return 0, err
	}
	is, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return is.Size(), nil
}

// Put takes a blob in, to the end of from, of at most so many bytes; -1 is unknown. It is
// there for good when Put returns nil. Bytes of another sha256 than the one that is said
// are fault.Invalid, and nothing of them stays.
func (b *Blobs) Put(ctx context.Context, sha256sum string, atMostBytes int64, from io.Reader) (err error) {
	most := b.MaxBytes()
	if most > 0 && atMostBytes > most {
		return b.tooLarge(most)
	}
	if err := b.folder.room(max(atMostBytes, 0)); err != nil {
		return err
	}
	part := newID()
	file, err := b.folder.create(part)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, b.folder.remove(part)) }() // under this name, in any case
	defer file.Close()                                               // after a flush there is nothing left to fail
	sum := sha256.New()
	in := pump{
		file: file, limit: math.MaxInt64 - 1, sum: sum, flushBytes: flushBytes,
		room: func() error { return b.folder.room(0) }, notify: func(int64) {},
	}
	if most > 0 {
		in.limit = most
	}
	switch err := in.run(from, new(pieceSet)); {
	case errors.Is(err, errTooMany):
		return b.tooLarge(most)
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if got := digestOf(sum); got != sha256sum {
		return fault.New(fault.Invalid, "digest mismatch, expected %q, got %q", "sha256:"+sha256sum, "sha256:"+got).On(fault.Caller)
	}
	if err := in.finish(); err != nil {
		return err
	}
	now := b.Now()
	if err := os.Chtimes(file.Name(), now, now); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), b.folder.at(blobPrefix+sha256sum)); err != nil {
		return err
	}
	b.Log.Info("blob uploaded", "sha256", sha256sum, "size", in.at)
	return b.folder.sync()
}

func (b *Blobs) tooLarge(most int64) error {
	return fault.New(fault.TooLarge, "a model may have at most %s here, by models.max_model_size", humanize.IBytes(uint64(most))).On(fault.Caller)
}

// Lend returns a path of a blob's that whoever asked may move or remove, while the blob
// stays. One that isn't there is fault.NotFound.
func (b *Blobs) Lend(sha256 string) (path string, err error) {
	path = filepath.Join(b.Folder, newID())
	err = os.Link(b.folder.at(blobPrefix+sha256), path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.Wrap(fault.NotFound, err, "there is no blob of the sha256 %s", sha256).On(fault.Caller)
	}
	return path, err
}

// Remove removes a blob, which may be gone already.
func (b *Blobs) Remove(sha256 string) error { return b.folder.remove(blobPrefix + sha256) }
