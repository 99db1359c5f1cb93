// Package storage is the contract between Corral and the places where files are
// kept: a bucket, a folder, anything that maps keys to bytes.
//
// A backend implements [Backend], five methods. What it can do beyond them are
// further small interfaces in this package, which are looked for by type assertion;
// each says what happens without it. What a backend promises by those sentences is
// what package storagetest checks, one by one.
//
// Errors are those of package fault. What a caller acts on is the kind: NotFound,
// Invalid, Conflict, NoSpace, RateLimited, Unavailable, Unauthenticated, Forbidden,
// Corrupt. An error without a kind is a bug of the backend, and is not tried again.
package storage

import (
	"context"
	"io"
	"iter"
	"time"
)

// Backend keeps objects, which are bytes under a key; see [CheckKey] for what a key
// is. Its methods may be called concurrently. They return soon after their context
// ends, with its error.
type Backend interface {
	// Stat tells of an object without reading it. One that is not there is
	// fault.NotFound.
	Stat(ctx context.Context, key string) (Info, error)

	// Get reads an object, or the part of it that r names. An object that is not
	// there is fault.NotFound, here or at the first Read. A range that begins
	// behind the object's end is fault.Invalid. What is read is one version of the
	// object, even if it is replaced or deleted meanwhile, or the reader fails; it
	// never ends early without an error. The caller closes the reader.
	Get(ctx context.Context, key string, r Range) (io.ReadCloser, error)

	// Put stores an object, all of src, in place of one that may be there. Until
	// Put has returned nil, the old object, or none, is what is seen: an upload
	// that fails, that is cancelled or whose process is killed leaves nothing to
	// see, and does not harm what was there. After that all that ask see the new
	// one. Of several at once for one key, one wins as a whole. An error of src
	// is returned so that errors.Is finds it. A backend that can't keep both "a" and
	// "a/b" returns fault.Conflict for the one that comes later.
	Put(ctx context.Context, key string, src Source) error

	// Delete removes an object. That there is none is no error.
	Delete(ctx context.Context, key string) error

	// List yields each object whose key begins with prefix, in any order. What is
	// put or deleted meanwhile may be among them or not; all else is, once. An
	// error is yielded last. The empty prefix is all objects.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
}

// Info is what is known of an object.
type Info struct {
	Key        string
	SizeBytes  int64
	ModifiedAt time.Time // when it was put; zero is unknown
	Version    string    // another one for other bytes, opaque; "" is unknown
	SHA256     string    // of its bytes, in hexadecimal, where that is known without reading them; else ""
}

// Range is a part of an object. The zero value is all of it.
type Range struct {
	OffsetBytes int64
	LengthBytes int64 // 0 is to the end, and so is more than there is
}

// Source is where the bytes of an object come from.
type Source interface {
	// SizeBytes returns how many bytes there are, -1 for unknown.
	SizeBytes() int64

	// Open returns the bytes from their beginning. A backend that has to try
	// again opens the source again; one that can be read only once returns
	// fault.Conflict then. What is read may implement io.ReaderAt as well: then
	// parts may be read at the same time. It may be a [Gift]: then the backend may keep
	// the file. A source of a known size never yields fewer bytes without an error, and
	// never more.
	Open() (io.ReadCloser, error)
}
