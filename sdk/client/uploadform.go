package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// uploadForm uploads a model of several files as one form: what is wanted first, so that
// it is refused before the files have come, and their digests last, so that they are read
// once.
func (c *Client) uploadForm(ctx context.Context, u *ModelUpload, told func(UploadProgress)) (*Model, error) {
	f, err := newForm(u, told)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	m, err := c.askModel(ctx, call{
		method: http.MethodPost, path: []string{"api", "models"},
		content: io.MultiReader(f.parts...), contentBytes: f.sizeBytes, contentType: f.contentType,
	})
	if failed := f.failure(); failed != nil {
		return nil, failed
	}
	return m, err
}

// form is a body of the type multipart/form-data, of which the size is known before.
type form struct {
	parts       []io.Reader
	sizeBytes   int64
	contentType string
	files       []*meter
}

func newForm(u *ModelUpload, told func(UploadProgress)) (*form, error) {
	f := &form{}
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	f.contentType = w.FormDataContentType()
	flush := func() {
		f.parts = append(f.parts, strings.NewReader(text.String()))
		f.sizeBytes += int64(text.Len())
		text.Reset()
	}
	for _, field := range [][2]string{
		{"name", u.Name},
		{"description", u.Description},
		{"storage", u.Storage},
		{"hosts", strings.Join(u.Hosts, ",")},
		{"quantize", u.Quantize},
		{"from", u.From},
	} {
		if field[1] == "" {
			continue
		}
		if err := w.WriteField(field[0], field[1]); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "")
		}
	}
	var total, before int64
	for i := range u.Files {
		total += u.Files[i].SizeBytes
	}
	digests := make([]hash.Hash, len(u.Files))
	for i := range u.Files {
		file, begin := &u.Files[i], before
		if _, err := w.CreateFormFile("file", file.Name); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "")
		}
		flush()
		m := newMeter(file, 0, func(doneBytes int64) {
			told(UploadProgress{Phase: UploadSending, DoneBytes: begin + doneBytes, TotalBytes: total})
		})
		digests[i] = sha256.New()
		f.files = append(f.files, m)
		f.parts = append(f.parts, io.TeeReader(m, digests[i]))
		f.sizeBytes += file.SizeBytes
		before += file.SizeBytes
	}
	for _, sum := range digests {
		if _, err := w.CreateFormField("sha256"); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "")
		}
		flush()
		f.parts = append(f.parts, &digestReader{sum: sum})
		f.sizeBytes += int64(hex.EncodedLen(sum.Size()))
	}
	if err := w.Close(); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	flush()
	return f, nil
}

func (f *form) stop() {
	for _, m := range f.files {
		m.stop()
	}
}

// failure is why a file can't be read.
func (f *form) failure() error {
	for _, m := range f.files {
		if err := m.failure(); err != nil {
			return err
		}
	}
	return nil
}

// digestReader reads a digest, which is complete when that begins.
type digestReader struct {
	sum  hash.Hash
	text *strings.Reader
}

func (d *digestReader) Read(p []byte) (int, error) {
	if d.text == nil {
		d.text = strings.NewReader(hex.EncodeToString(d.sum.Sum(nil)))
	}
	return d.text.Read(p)
}
