// Package uploadapi is how files of models come in over HTTP: at once, in a form, or in
// pieces by tus 1.0, whose clients go on where they were when a line breaks.
package uploadapi

import (
	"context"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
)

// Path is where uploads are begun; the one of each is below it.
const Path = "/api/uploads"

// Uploads take files in, as [uploads.Service] does.
type Uploads interface {
	Create(ctx context.Context, start uploads.Start) (fleet.Upload, error)
	Check(ctx context.Context, start uploads.Start) error
	Append(ctx context.Context, id string, p uploads.Piece) (fleet.Upload, error)
	Look(ctx context.Context, id string) (fleet.Upload, error)
	Remove(ctx context.Context, id string) error
	Begin(ctx context.Context, ownerID string, atMostBytes int64) (context.Context, *uploads.Batch, error)
	Import(ctx context.Context, ownerID string, want fleet.Import, source string) (fleet.Model, error)
}

// API is the routes of uploads. Its methods may be called concurrently.
type API struct {
	uploads  Uploads
	maxBytes func() int64
}

// New returns the API. MaxBytes returns how large a model may be now; 0 is no limit.
func New(u Uploads, maxBytes func() int64) *API { return &API{uploads: u, maxBytes: maxBytes} }

// Routes returns every route.
func (a *API) Routes() []edge.Route {
	one := Path + "/{id}"
	return []edge.Route{
		{
			Method: "POST", Path: "/api/models", Permission: edge.Operate, Handler: a.form, Watch: true,
			Streaming: true, MaxBodyBytes: -1,
		},

		// What the server can do is no secret, and asked for without a key.
		{Method: "OPTIONS", Path: Path, Permission: edge.Public, Handler: a.options},
		{Method: "OPTIONS", Path: one, Permission: edge.Public, Handler: a.options},
		{
			Method: "POST", Path: Path, Permission: edge.Operate, Handler: a.begin, Watch: true,
			Streaming: true, MaxBodyBytes: -1, BodyTypes: []string{pieceType},
		},
		{Method: "HEAD", Path: one, Permission: edge.Operate, Handler: tus(a.look)},
		{
			Method: "PATCH", Path: one, Permission: edge.Operate, Handler: tus(a.add), Watch: true,
			Streaming: true, MaxBodyBytes: -1, BodyTypes: []string{pieceType},
		},
		{Method: "DELETE", Path: one, Permission: edge.Operate, Handler: tus(a.remove)},
		{
			Method: "POST", Path: one, Permission: edge.Operate, Handler: tus(a.override), Watch: true,
			Streaming: true, MaxBodyBytes: -1, BodyTypes: []string{pieceType},
		},
	}
}

// untilRevoked returns a context that goes on when the client has left, since what it
// sent before is wanted, and ends with the server or the caller's key.
func untilRevoked(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); !errors.Is(cause, edge.ErrClientLeft) {
			cancel(cause)
		}
	})
	return longer, func() {
		stop()
		cancel(nil)
	}
}
