package uploadapi

import (
	"context"
	"errors"
	"io"
	"mime"

	"github.com/dustin/go-humanize"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// How much a form may have beside its files.
const (
	maxFieldBytes = 64 << 10
	maxFields     = 100
	maxFormExtra  = 1 << 20 // of the whole request, beside the files
)

// form takes a model in that comes in one request. Its parts may stand in any order;
// those before a file can refuse it before it has come.
func (a *API) form(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	media, params, err := mime.ParseMediaType(r.ContentType)
	if media == "application/json" {
		return a.fromStorage(ctx, r)
	}
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, fault.New(fault.Invalid, "a model is uploaded as multipart/form-data, with its file in the part %q", "file").On(fault.Caller)
	}
	parts, err := newParts(r.Stream, params["boundary"])
	if err != nil {
		return nil, explainForm(err)
	}
	if most := a.maxBytes(); most > 0 && r.ContentLength-maxFormExtra > most {
		return nil, fault.New(fault.TooLarge, "a model may have at most %s here, by models.max_model_size", humanize.IBytes(uint64(most))).On(fault.Caller)
	}
	ctx, cancel := untilRevoked(ctx)
	defer cancel()
	wanted, batch, err := a.uploads.Begin(ctx, r.Caller.ID, r.ContentLength)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(wanted, func() { r.Break(context.Cause(wanted)) })
	model, err := take(wanted, batch, parts)
	stop()
	if err := errors.Join(err, batch.Close()); err != nil {
		return nil, err
	}
	return edge.JSON(200, model)
}

// take makes a model of a form.
func take(ctx context.Context, batch *uploads.Batch, parts *parts) (fleet.Model, error) {
	var fields fields
	for {
		part, err := parts.next()
		if err == io.EOF {
			return batch.Finish(ctx, fields.want, fields.digests)
		}
		if err != nil {
			return fleet.Model{}, explainForm(err)
		}
		if part.name == "file" {
			err = batch.Add(ctx, part.filename, formReader{part})
		} else if err = fields.read(part); err == nil {
			err = batch.Want(ctx, fields.want)
		}
		if err != nil {
			return fleet.Model{}, err
		}
	}
}

// fields are what a form has beside files.
type fields struct {
	want    fleet.Import
	digests []string // of the files, in their order
	count   int
}

func (f *fields) read(part part) error {
	if f.count++; f.count > maxFields {
		return fault.New(fault.Invalid, "a form has at most %d fields", maxFields).On(fault.Caller)
	}
	content, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
	switch {
	case err != nil:
		return explainForm(err)
	case len(content) > maxFieldBytes:
		return fault.New(fault.TooLarge, "the field %q is larger than %d bytes", part.name, maxFieldBytes).On(fault.Caller)
	}
	switch value := string(content); part.name {
	case "name":
		f.want.Name = value
	case "description":
		f.want.Description = value
	case "storage":
		f.want.Storage = value
	case "quantize":
		f.want.Quantize = value
	case "from":
		f.want.From = value
	case "sha256":
		f.digests = append(f.digests, value)
	case "hosts":
		hosts, err := hostsOf(value)
		if err != nil {
			return err
		}
		f.want.Hosts = append(f.want.Hosts, hosts...)
	}
	return nil
}

// formReader reads a part; its errors are for the caller.
type formReader struct{ from io.Reader }

func (f formReader) Read(p []byte) (int, error) {
	n, err := f.from.Read(p)
	if err != nil && err != io.EOF {
		err = explainForm(err)
	}
	return n, err
}

// explainForm is an error of a form: what the line says of itself says it better.
func explainForm(err error) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "the form is malformed, or ends early").On(fault.Caller)
}
