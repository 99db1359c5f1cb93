package live

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// filesPerPage is how many files one answer has, where the client does not say.
const filesPerPage = 200

// browseRequest is the data of browse_storage.
type browseRequest struct {
	Storage string `json:"storage"` // empty is the default one
	Prefix  string `json:"prefix"`
	Cursor  string `json:"cursor"`
	Limit   int    `json:"limit"`
}

// browse lists the files of a storage, a page at a time.
func (s *session) browse(ctx context.Context, r request) error {
	asked := browseRequest{Limit: filesPerPage}
	if err := decodeData(r.data, &asked); err != nil {
		return err
	}
	if asked.Limit < 1 || asked.Limit > storage.MaxPage {
		return fault.New(fault.Invalid, "the field %q has to be from 1 to %d", "limit", storage.MaxPage).On(fault.Caller)
	}
	return s.later(ctx, r, func() (func() error, error) {
		listing, err := s.live.storages.Files(ctx, asked.Storage, storages.Query{Prefix: asked.Prefix, Cursor: asked.Cursor, Limit: asked.Limit})
		if err != nil {
			return nil, err
		}
		data, err := encode(listing.Files)
		return func() error {
			at := place{Cursor: listing.Cursor, Storage: listing.Storage}
			return s.socket.Send(edge.TextMessage(s.framing.page("storage_files", data, at, r)))
		}, err
	})
}
