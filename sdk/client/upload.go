package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// ModelUpload is a model that is to be uploaded.
type ModelUpload struct {
	Name        string // empty has the control plane name it after the first file
	Description string
	Storage     string   // where its files go; empty is the one that is meant where none is named
	Hosts       []string // ids or names of those that are to have it
	Quantize    string   // what hosts are to quantise the weights to, such as "q4_K_M"; empty leaves them
	From        string   // the model that it is put on, of an adapter; empty is none
	Files       []UploadFile
}

// UploadFile is a file of a model. It must not change while it is uploaded.
type UploadFile struct {
	Name      string // without folders
	Content   io.ReaderAt
	SizeBytes int64
}

// UploadOptions say how a model is uploaded. The zero value is ready for use.
type UploadOptions struct {
	// State is that of an upload which was broken off, and which is gone on with where the
	// control plane still has it. It belongs to one control plane and one file.
	State UploadState
	// Keep, unless it is nil, is given each new state: what a later call needs to go on. The
	// zero state says that there is nothing left to go on with.
	Keep func(UploadState)
	// Progress, unless it is nil, hears often how far it is, from one goroutine at a time. It
	// has to return at once.
	Progress func(UploadProgress)
	// Patience is for how long it is tried anew where nothing comes through; 0 is five
	// minutes. A fifth of it is how long an attempt may stand still.
	Patience time.Duration
}

// UploadState is what is needed to go on with an upload. It can be kept as JSON.
type UploadState struct {
	SHA256 string `json:"sha256,omitempty"` // of the file, in hexadecimal; empty before it is known
	ID     string `json:"id,omitempty"`     // of the upload at the control plane; empty before it began
}

// UploadPhase is what an upload is doing.
type UploadPhase string

// The phases of an upload.
const (
	UploadHashing UploadPhase = "hashing" // its file is read
	UploadSending UploadPhase = "sending"
	UploadWaiting UploadPhase = "waiting" // to be tried again
)

// UploadProgress is how far an upload is.
type UploadProgress struct {
	Phase UploadPhase
	// DoneBytes of TotalBytes are read or sent. They become fewer where a connection broke
	// and what was on its way was lost.
	DoneBytes, TotalBytes int64
	Err                   error // why it is tried again
}

// UploadModel uploads a model and returns it when all bytes are there; storing it in its
// storage, and bringing it to hosts, follows, as operations tell. It needs the role operator.
//
// A single file goes on where it was after a connection broke, and with
// [UploadOptions].State also in another run of the program. It is read once before, for its
// sha256: a file that the control plane has already is done at once. Several files are
// one request, which has to begin anew.
//
// A model that is refused is what the control plane says: fault.Invalid, fault.TooLarge,
// fault.NoSpace and others. A file that can't be read, or changed meanwhile, is
// fault.Invalid. Memory does not grow with the size of the files.
func (c *Client) UploadModel(ctx context.Context, u ModelUpload, o UploadOptions) (*Model, error) {
	if o.Keep == nil {
		o.Keep = func(UploadState) {}
	}
	if o.Progress == nil {
		o.Progress = func(UploadProgress) {}
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute
	}
	switch len(u.Files) {
	case 0:
		return nil, fault.New(fault.Invalid, "there is no file to upload").On(fault.Caller)
	case 1:
		s := &sender{client: c, model: &u, file: &u.Files[0], options: o, state: o.State, resumed: o.State.ID != ""}
		return s.run(ctx)
	}
	return c.uploadForm(ctx, &u, o.Progress)
}

// hashPiece is how much of a file is hashed at a time, in bytes.
const hashPiece = 1 << 20

// digest returns the sha256 of a file, in hexadecimal.
func digest(ctx context.Context, f *UploadFile, told func(UploadProgress)) (string, error) {
	sum := sha256.New()
	piece := make([]byte, hashPiece)
	for at := int64(0); at < f.SizeBytes; {
		told(UploadProgress{Phase: UploadHashing, DoneBytes: at, TotalBytes: f.SizeBytes})
		if err := ctx.Err(); err != nil {
			return "", fault.Wrap(fault.KindOf(err), err, "").On(fault.Caller)
		}
		n, err := f.Content.ReadAt(piece[:min(hashPiece, f.SizeBytes-at)], at)
		at += int64(n)
		sum.Write(piece[:n])
		if err != nil && at < f.SizeBytes {
			return "", unreadable(f, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// unreadable is the error of a file that can't be read to its end.
func unreadable(f *UploadFile, err error) error {
	if err == io.EOF {
		return fault.New(fault.Invalid, "the file %q has become shorter while it was uploaded", f.Name).On(fault.Caller)
	}
	return fault.Wrap(fault.Invalid, err, "the file %q can't be read", f.Name).On(fault.Caller)
}
