package storage

import (
	"context"
	"net/http"
	"time"
)

// Copier is a backend that copies without the bytes passing through here. Without
// it a copy is a Get and a Put. What Put says of what is seen holds for target; a
// source that is not there is fault.NotFound.
type Copier interface {
	Copy(ctx context.Context, target, source string) error
}

// Creator is a backend that can put an object only where there is none. Of several
// at once for one key exactly one succeeds, and the others return fault.Conflict.
// Without it nobody can rely on being the first.
type Creator interface {
	Create(ctx context.Context, key string, src Source) error
}

// Presigner is a backend whose service hands out objects to whoever has an address
// that the backend signed. The address serves ranges, needs no header but those that
// are returned with it, and ends to work after ttl or soon after. It is a secret. An
// object that is not there may be found out here or when the address is used.
// Without it the bytes pass through the backend.
type Presigner interface {
	PresignGet(ctx context.Context, key string, ttl time.Duration) (Presigned, error)
}

// Presigned is where an object can be fetched by HTTP.
type Presigned struct {
	URL       string
	Header    http.Header // to be sent along
	ExpiresAt time.Time
}

// Pager is a backend that lists in pages, with folders, better than by going through
// all objects. Without it pages are cut out of List.
type Pager interface {
	Page(ctx context.Context, r PageRequest) (Page, error)
}

// PageRequest asks for a part of a listing.
type PageRequest struct {
	Prefix string
	// Folders has the keys that go on with a further "/" behind the prefix told as
	// one folder for each name that comes before it.
	Folders bool
	// Token is the NextToken of the page before, "" for the first. It works in
	// another process too, for an hour at least.
	Token string
	// Limit is how many entries are wanted at most, from 1 to 1000. There may be
	// fewer, and none, whether further pages follow or not.
	Limit int
}

// Page is a part of a listing.
type Page struct {
	Objects   []Info
	Folders   []string // each ends in "/" and begins with the prefix
	NextToken string   // "" after the last page; at most 4 KiB
}

// Locator is a backend that keeps each object in a file of its own, with exactly its
// bytes, on a file system that others may reach as well. The file must not be
// changed. Without it files are copied.
type Locator interface {
	LocalPath(ctx context.Context, key string) (path string, err error)
}

// Checker is a backend that can tell whether its service would serve, at little cost:
// an error is what one would get. Without it a listing of a single object tells.
type Checker interface {
	Check(ctx context.Context) error
}

// Sweeper is a backend whose uploads may leave something behind when a process is
// killed. Sweep removes what is left of those that began longer ago than age and
// have not gone on since, and returns how many there were. Without it nothing is
// left.
type Sweeper interface {
	Sweep(ctx context.Context, age time.Duration) (int, error)
}

// Addresser is a backend that knows how the world calls its objects, such as
// s3://bucket/prefix/. Without it the address is made of the storage's name.
type Addresser interface {
	// Address returns what stands before each key.
	Address() string
}
