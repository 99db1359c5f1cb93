package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// hashPiece is how much of a file is hashed at a time, in bytes.
const hashPiece = 1 << 20

// hash reads the files whose digests are not known, and keeps the digest of each when that
// is done.
func (s *sender) hash(ctx context.Context) error {
	piece := make([]byte, hashPiece)
	for i := len(s.state.SHA256); i < len(s.row.files); i++ {
		sum := sha256.New()
		at := s.row.begins[i]
		for end := at + s.row.files[i].SizeBytes; at < end; {
			s.tell(UploadHashing, at, nil)
			if err := ctx.Err(); err != nil {
				return fault.Wrap(fault.KindOf(err), err, "").On(fault.Caller)
			}
			n, err := s.row.read(piece, at)
			if err != nil {
				return err
			}
			sum.Write(piece[:n])
			at += int64(n)
		}
		known := append(slices.Clip(s.state.SHA256), hex.EncodeToString(sum.Sum(nil)))
		s.keep(UploadState{SHA256: known, ID: s.state.ID})
	}
	return nil
}
