package fleet

import (
	"context"
	"time"
)

// Import is what whoever brings a model wants of it.
type Import struct {
	Name        string // of the model
	Description string
	Storage     string   // where its files are to be kept; empty is the default one
	Hosts       []string // that are to have it, by their ids or names
	Quantize    string   // what hosts are to quantise the weights to; empty leaves them
	From        string   // the model that it is put on, of an adapter; empty is none
}

// UploadState is how an upload is.
type UploadState string

// The states of an upload, in the order in which it has them; failed and removed may
// follow on any.
const (
	UploadReceiving UploadState = "receiving" // bytes are still to come
	UploadReceived  UploadState = "received"  // all are there, and nobody has taken them yet
	UploadDone      UploadState = "done"      // they are a model's, and no longer the upload's
	UploadFailed    UploadState = "failed"    // it can't become a model; its bytes are gone
	UploadRemoved   UploadState = "removed"   // it was ended, or came to nothing for too long; never stored
)

// UploadFile is a file of an upload.
type UploadFile struct {
	Name      string `json:"name"` // as whoever brings it calls it, without folders
	SizeBytes int64  `json:"size_bytes"`
	// SHA256 is the digest in hexadecimal: the one that was announced, empty where none
	// was, and once all of the file's bytes are there their own.
	SHA256 string `json:"sha256"`
}

// Upload is the files of a model on their way to the control plane, as it is stored: they
// may come in pieces, with days and restarts between them.
type Upload struct {
	ID string
	Import
	// Files are at least one. Their bytes come one file after the other, as if they were one.
	Files     []UploadFile
	SizeBytes int64  // of all files
	OwnerID   string // of the key or session that began it; empty without one
	// BegunUnder is what the owner calls the beginning of this upload: no two of an owner's
	// are begun under the same. Empty is nothing. BegunWith is the digest of all that it was
	// begun with then.
	BegunUnder, BegunWith string
	State                 UploadState
	// OffsetBytes is how many bytes of all files are on the disk for good, and Hash the
	// state of the sha256 of the file in which the next one lies, from which it goes on; nil
	// where nothing more comes.
	OffsetBytes int64
	Hash        []byte
	Problem     string // a sentence, of one that failed
	CreatedAt   time.Time
	ChangedAt   time.Time
	ExpiresAt   time.Time // when it is removed, unless bytes come before
}

// UploadStore keeps uploads.
type UploadStore interface {
	// CreateUpload stores a new one; an id that is taken is fault.Conflict, as is a
	// BegunUnder that the owner has another one of.
	CreateUpload(ctx context.Context, u Upload) error
	// Upload returns one; one that is not there is fault.NotFound.
	Upload(ctx context.Context, id string) (Upload, error)
	// UploadBegunUnder returns the one that an owner began so; none is fault.NotFound.
	UploadBegunUnder(ctx context.Context, ownerID, begunUnder string) (Upload, error)
	// Uploads returns all of them, the oldest first.
	Uploads(ctx context.Context) ([]Upload, error)
	// SaveUpload stores how an upload is now: Files, State, OffsetBytes, Hash, Problem,
	// ChangedAt and ExpiresAt. One that is not there is fault.NotFound.
	SaveUpload(ctx context.Context, u Upload) error
	// RemoveUpload forgets one. That it is not there is no fault.
	RemoveUpload(ctx context.Context, id string) error
}
