package uploads

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Sink is where files go that are complete. Its methods may be called concurrently.
type Sink interface {
	// Known returns the size of content that the sink has where a model is wanted, by its
	// sha256 in lower case hexadecimal. What it doesn't have there is fault.NotFound.
	Known(ctx context.Context, want fleet.Import, sha256 string) (sizeBytes int64, err error)
	// Check says, before any byte is taken, why a model can't be made as it is wanted,
	// such as for a storage that isn't there, or of these files, of which one may be missing.
	// The name may still be empty, and the files are nil where they aren't known.
	Check(ctx context.Context, want fleet.Import, files []fleet.UploadFile) error
	// Changed hears of an upload when it begins, while bytes arrive, and when its state
	// changes. receivedBytes counts also those that aren't on the disk yet; they are fewer
	// than before where a piece turned out to be damaged. The name is empty as long as it
	// isn't known, and SizeBytes is -1. Changed has to return at once.
	Changed(u fleet.Upload, receivedBytes int64)
	// Take makes a model of files. When it has returned without an error, the bytes are
	// the sink's to keep: it has moved or linked the files to a place of its own and will
	// find them there after a restart. What is left of them in the staging folder is
	// removed. It should not take long, as somebody waits for the answer.
	//
	// An error of the kinds Unavailable, Timeout, Canceled, NoSpace and Internal may pass, and
	// Take is called again later; with any other one the upload has failed. After a kill,
	// it may be called for an ID that it took before, wholly or in part, and whose files
	// are no longer where they were; then it has to return the model again.
	Take(ctx context.Context, f Finished) (fleet.Model, error)
}

// Finished is what a model is to be made of.
type Finished struct {
	fleet.Import // with the name

	ID      string // of the upload
	OwnerID string
	Files   []File // at least one
}

// File is one file of a model.
type File struct {
	Name      string // what whoever brought it calls it; no path, and no path of ours
	SizeBytes int64
	SHA256    string // in lower case hexadecimal
	// Path is where it lies; empty where the sink said that it knows the content.
	Path string
}
