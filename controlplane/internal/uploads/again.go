package uploads

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// ErrKeyTaken is that an upload was begun under a key with something else.
var ErrKeyTaken error = fault.New(fault.Invalid, "another upload was begun under this key: of other files, or with other fields").On(fault.Caller)

// begunBefore returns the upload that was begun under a start's key, which is ErrKeyTaken
// where that was not with the same. None is fault.NotFound.
func (s *Service) begunBefore(ctx context.Context, start Start) (fleet.Upload, error) {
	u, err := s.Store.UploadBegunUnder(ctx, start.OwnerID, start.Key)
	if err != nil {
		return u, err
	}
	if !s.Now().Before(u.ExpiresAt) { // and nobody has swept it yet
		if err := s.settle(ctx, u.ID); err != nil {
			return u, err
		}
		return u, fault.New(fault.NotFound, "the upload %q has expired", u.ID).On(fault.Caller)
	}
	if start, err = start.Checked(); err != nil || start.digest() != u.BegunWith {
		return fleet.Upload{}, ErrKeyTaken
	}
	return s.begun(ctx, u)
}

// digest returns the digest of what an upload begins with, empty where nobody asks for it:
// without a key.
func (start Start) digest() string {
	if start.Key == "" {
		return ""
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q", start.Import)
	for _, f := range start.Files {
		fmt.Fprintf(sum, " %q %d %q", f.Name, f.SizeBytes, f.SHA256)
	}
	return digestOf(sum)
}
