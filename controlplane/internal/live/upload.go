package live

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Uploads take files of models in, as [uploads.Service] does.
type Uploads interface {
	Create(ctx context.Context, start uploads.Start) (fleet.Upload, error)
	Begin(ctx context.Context, ownerID string, atMostBytes int64) (context.Context, *uploads.Batch, error)
	Import(ctx context.Context, ownerID string, want fleet.Import, source string) (fleet.Model, error)
}

// uploadRequest is the data of upload_model.
type uploadRequest struct {
	Name        string   `json:"name"`
	Filename    string   `json:"filename"`
	Size        *int64   `json:"size"` // in bytes
	SHA256      string   `json:"sha256"`
	Content     *string  `json:"content"` // base64; a binary one of Socket.IO has become that
	Source      string   `json:"source"`  // a storage's URL
	Description string   `json:"description"`
	Storage     string   `json:"storage"`
	Hosts       []string `json:"hosts"`
	Quantize    string   `json:"quantize"`
	From        string   `json:"from"`
}

// upload takes a small file that came along, or says where a larger one is to go.
func (s *session) upload(ctx context.Context, r request) error {
	var asked uploadRequest
	if err := decodeData(r.data, &asked); err != nil {
		return err
	}
	start := uploads.Start{
		Import: fleet.Import{
			Name: asked.Name, Description: asked.Description, Storage: asked.Storage, Hosts: asked.Hosts, Quantize: asked.Quantize, From: asked.From,
		},
		OwnerID: s.caller.ID,
	}
	switch {
	case asked.Source != "":
		return s.later(ctx, r, func() (func() error, error) {
			m, err := s.live.uploads.Import(ctx, start.OwnerID, start.Import, asked.Source)
			return func() error { return s.answer(r, aboutProgress.String(), beginning(m.Name, "")) }, err
		})
	case asked.Content != nil:
		content, err := base64.StdEncoding.DecodeString(*asked.Content)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, `the field "content" has to be base64`).On(fault.Caller)
		}
		if asked.Size != nil && *asked.Size != int64(len(content)) {
			return fault.New(fault.Invalid, `the field "size" is %d, and "content" has %d bytes`, *asked.Size, len(content)).On(fault.Caller)
		}
		start.Files = []fleet.UploadFile{{Name: asked.Filename, SizeBytes: int64(len(content)), SHA256: asked.SHA256}}
		return s.later(ctx, r, func() (func() error, error) {
			return func() error { return s.reply(r, "models_list", s.live.models) }, s.uploadInline(ctx, r, start, content)
		})
	case asked.Size == nil:
		return fault.New(fault.Invalid, `the field "size" is missing; it is needed where "content" does not come along`).On(fault.Caller)
	}
	start.Files = []fleet.UploadFile{{Name: asked.Filename, SizeBytes: *asked.Size, SHA256: asked.SHA256}}
	return s.later(ctx, r, func() (func() error, error) {
		u, err := s.live.uploads.Create(ctx, start)
		if err != nil {
			return nil, err
		}
		p := beginning(u.Name, u.Files[0].Name)
		if u.State == fleet.UploadReceiving { // else its content was known
			p.UploadURL = uploadPath + u.ID
		}
		return func() error { return s.answer(r, aboutProgress.String(), p) }, nil
	})
}

// uploadPath is where the bytes of uploads go.
const uploadPath = "/api/uploads/"

// beginning is the first that is told of a model that is uploaded.
func beginning(name, filename string) ModelProgress {
	return ModelProgress{
		ModelID: fleet.ModelID(name), Name: name, Filename: filename, Status: string(fleet.ModelUploading), Operations: []OperationStep{},
	}
}

// uploadInline makes a model of a file that came with the event.
func (s *session) uploadInline(ctx context.Context, r request, start uploads.Start, content []byte) (err error) {
	if start, err = start.Checked(); err != nil {
		return err
	}
	file := start.Files[0]
	ctx, batch, err := s.live.uploads.Begin(ctx, start.OwnerID, file.SizeBytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	if err := batch.Want(ctx, start.Import); err != nil {
		return err
	}
	if err := s.tell(r, aboutProgress.String(), beginning(start.Name, file.Name)); err != nil {
		return err
	}
	if err := batch.Add(ctx, file.Name, bytes.NewReader(content)); err != nil {
		return err
	}
	_, err = batch.Finish(ctx, start.Import, []string{file.SHA256})
	return err
}
