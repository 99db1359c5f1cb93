package client

import (
	"context"
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
	// control plane still has it. It belongs to one control plane and to these files, as they
	// were then.
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
	SHA256 []string `json:"sha256,omitempty"` // of the files that were read so far, in their order, in hexadecimal
	// Key is what the upload is begun under: where the answer to that is lost, the same is
	// begun again, and no second one.
	Key string `json:"key,omitempty"`
	ID  string `json:"id,omitempty"` // of the upload at the control plane; empty before it began
}

// IsZero reports whether there is nothing to go on with.
func (s UploadState) IsZero() bool { return len(s.SHA256) == 0 && s.Key == "" && s.ID == "" }

// UploadPhase is what an upload is doing.
type UploadPhase string

// The phases of an upload.
const (
	UploadHashing UploadPhase = "hashing" // its files are read
	UploadSending UploadPhase = "sending"
	UploadWaiting UploadPhase = "waiting" // to be tried again
)

// UploadProgress is how far an upload is, over all of its files.
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
// It goes on where it was after a connection broke, and with [UploadOptions].State also in
// another run of the program; several files are one upload, in their order. They are read
// once before, for their sha256: what the control plane has already is done at once.
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
	if len(u.Files) == 0 {
		return nil, fault.New(fault.Invalid, "there is no file to upload").On(fault.Caller)
	}
	row, err := newFileRow(u.Files)
	if err != nil {
		return nil, err
	}
	s := &sender{client: c, model: &u, row: row, options: o, state: o.State, resumed: o.State.ID != ""}
	return s.run(ctx)
}
