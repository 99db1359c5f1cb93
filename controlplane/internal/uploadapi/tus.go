package uploadapi

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

// The words of the protocol, https://tus.io/protocols/resumable-upload.
const (
	version    = "1.0.0"
	extensions = "creation,creation-with-upload,checksum,termination,expiration"
	algorithms = "sha256,sha1"
	pieceType  = "application/offset+octet-stream"
)

// Statuses that the protocol has and package fault does not.
const (
	statusLocked   = 423
	statusChecksum = 460
)

// tus speaks the protocol around a handler.
func tus(handle edge.Handler) edge.Handler {
	return func(ctx context.Context, r *edge.Request) (*edge.Response, error) {
		var resp *edge.Response
		var err error
		if said := r.Header("Tus-Resumable"); said != version {
			err = fault.New(fault.Invalid, "this server speaks tus %s, and the header Tus-Resumable has to say so", version).On(fault.Caller)
			resp = problem(http.StatusPreconditionFailed, err)
			resp.Header = append(resp.Header, edge.HeaderField{Name: "Tus-Version", Value: version})
		} else if resp, err = handle(ctx, r); err != nil {
			if resp = answerOf(err); resp == nil {
				return nil, edge.WithField(err, edge.HeaderField{Name: "Tus-Resumable", Value: version})
			}
		}
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Tus-Resumable", Value: version})
		return resp, nil
	}
}

// answerOf answers errors for which the protocol has a status of its own; nil for others.
func answerOf(err error) *edge.Response {
	switch {
	case errors.Is(err, uploads.ErrTakenOver):
		return problem(statusLocked, err)
	case errors.Is(err, uploads.ErrDamaged):
		return problem(statusChecksum, err)
	case errors.Is(err, uploads.ErrKeyTaken):
		return problem(http.StatusUnprocessableEntity, err)
	case errors.Is(err, uploads.ErrOver):
		return problem(http.StatusGone, err)
	case errors.Is(err, errType):
		return problem(http.StatusUnsupportedMediaType, err)
	}
	return nil
}

func problem(status int, err error) *edge.Response {
	return &edge.Response{
		Status: status, Body: edge.ErrorBody(edge.Dashboard, err),
		Header: []edge.HeaderField{{Name: "Content-Type", Value: "application/json; charset=utf-8"}},
	}
}

func (a *API) options(context.Context, *edge.Request) (*edge.Response, error) {
	resp := &edge.Response{Status: http.StatusNoContent, Header: []edge.HeaderField{
		{Name: "Tus-Resumable", Value: version},
		{Name: "Tus-Version", Value: version},
		{Name: "Tus-Extension", Value: extensions},
		{Name: "Tus-Checksum-Algorithm", Value: algorithms},
	}}
	if most := a.maxBytes(); most > 0 {
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Tus-Max-Size", Value: strconv.FormatInt(most, 10)})
	}
	return resp, nil
}

// create begins an upload, and takes its first piece if that comes along.
func (a *API) create(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	start, err := startOf(r)
	if err != nil {
		return nil, err
	}
	piece, err := pieceOf(r, 0)
	switch {
	case err != nil:
		return nil, err
	case r.ContentLength > start.Files[0].SizeBytes:
		return nil, fault.New(fault.TooLarge, "an upload of %d bytes begins with %d", start.Files[0].SizeBytes, r.ContentLength).On(fault.Caller)
	case r.ContentLength != 0:
		if err := checkType(r); err != nil {
			return nil, err
		}
	}
	u, err := a.uploads.Create(ctx, start)
	if err != nil {
		return nil, err
	}
	if r.ContentLength != 0 && u.State == fleet.UploadReceiving {
		after, err := a.append(ctx, u.ID, piece)
		switch {
		case err == nil || after.State == fleet.UploadReceiving: // it is there all the same, and goes on from where it is
			u = after
		default:
			return nil, edge.WithField(err, location(&u))
		}
	}
	return created(&u), nil
}

// created answers that an upload is begun.
func created(u *fleet.Upload) *edge.Response {
	resp := state(http.StatusCreated, u)
	resp.Header = append(resp.Header, location(u))
	return resp
}

func location(u *fleet.Upload) edge.HeaderField {
	return edge.HeaderField{Name: "Location", Value: Path + "/" + u.ID}
}

func (a *API) look(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	u, err := a.uploads.Look(ctx, r.Param("id"))
	if err != nil {
		return nil, err
	}
	if u.State == fleet.UploadFailed {
		return nil, fault.Wrap(fault.Conflict, uploads.ErrOver, "the upload has failed: %s", u.Problem).On(fault.Caller)
	}
	resp := state(http.StatusOK, &u)
	resp.Header = append(resp.Header,
		edge.HeaderField{Name: "Upload-Length", Value: strconv.FormatInt(u.SizeBytes, 10)},
		edge.HeaderField{Name: "Upload-Metadata", Value: metadataOf(&u)})
	return resp, nil
}

func (a *API) add(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if err := checkType(r); err != nil {
		return nil, err
	}
	offset, err := number(r, "Upload-Offset")
	if err != nil {
		return nil, err
	}
	piece, err := pieceOf(r, offset)
	if err != nil {
		return nil, err
	}
	u, err := a.append(ctx, r.Param("id"), piece)
	if err != nil {
		return nil, err
	}
	return state(http.StatusNoContent, &u), nil
}

func (a *API) append(ctx context.Context, id string, p uploads.Piece) (fleet.Upload, error) {
	ctx, cancel := untilRevoked(ctx)
	defer cancel()
	return a.uploads.Append(ctx, id, p)
}

func (a *API) remove(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if err := a.uploads.Remove(ctx, r.Param("id")); err != nil {
		return nil, err
	}
	return &edge.Response{Status: http.StatusNoContent}, nil
}

// override serves clients that can send no method but GET and POST.
func (a *API) override(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	switch method := strings.ToUpper(r.Header("X-HTTP-Method-Override")); method {
	case "HEAD":
		return a.look(ctx, r)
	case "PATCH":
		return a.add(ctx, r)
	case "DELETE":
		return a.remove(ctx, r)
	}
	return nil, fault.New(fault.Invalid, "an upload takes PATCH, HEAD and DELETE; with POST the header X-HTTP-Method-Override has to name one").On(fault.Caller)
}

// state answers how an upload is.
func state(status int, u *fleet.Upload) *edge.Response {
	resp := &edge.Response{Status: status, Header: []edge.HeaderField{
		{Name: "Upload-Offset", Value: strconv.FormatInt(u.OffsetBytes, 10)},
		{Name: "Corral-Model", Value: fleet.ModelID(u.Name)},
	}}
	if u.State == fleet.UploadReceiving {
		resp.Header = append(resp.Header, edge.HeaderField{Name: "Upload-Expires", Value: u.ExpiresAt.UTC().Format(http.TimeFormat)})
	}
	return resp
}

// errType is that a piece comes as something else.
var errType error = fault.New(fault.Invalid, "a piece of an upload has the Content-Type %s", pieceType).On(fault.Caller)

func checkType(r *edge.Request) error {
	if mediaType(r) != pieceType {
		return errType
	}
	return nil
}

// mediaType returns the type of a body without its parameters; empty is none.
func mediaType(r *edge.Request) string {
	media, _, err := mime.ParseMediaType(r.ContentType)
	if err != nil {
		return ""
	}
	return media
}

// number reads a header field that has to be there, and no less than 0.
func number(r *edge.Request, name string) (int64, error) {
	n, err := strconv.ParseUint(r.Header(name), 10, 63)
	if err != nil {
		return 0, fault.New(fault.Invalid, "the header %s has to be a number of bytes", name).On(fault.Caller)
	}
	return int64(n), nil
}

// pieceOf returns what a request adds to an upload.
func pieceOf(r *edge.Request, offset int64) (uploads.Piece, error) {
	p := uploads.Piece{OffsetBytes: offset, SizeBytes: r.ContentLength, Body: r.Stream, Break: r.Break}
	said := r.Header("Upload-Checksum")
	if said == "" {
		return p, nil
	}
	algorithm, encoded, _ := strings.Cut(said, " ")
	switch algorithm {
	case "sha256":
		p.Sum = sha256.New()
	case "sha1":
		p.Sum = sha1.New()
	default:
		return p, fault.New(fault.Invalid, "the header Upload-Checksum has an algorithm that isn't known here; there are %s", algorithms).On(fault.Caller)
	}
	var err error
	if p.Checksum, err = base64.StdEncoding.DecodeString(encoded); err != nil || len(p.Checksum) != p.Sum.Size() {
		return p, fault.New(fault.Invalid, "the header Upload-Checksum has to be the algorithm and the base64 of the checksum").On(fault.Caller)
	}
	return p, nil
}
