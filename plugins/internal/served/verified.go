package served

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"github.com/corral-fleet/corral/sdk/fault"
)

// verified reads a whole file, and fails at its end where its bytes are not those of
// its digest.
type verified struct {
	io.ReadCloser
	file File
	left int64
	sum  hash.Hash
	err  error
}

func newVerified(in io.ReadCloser, f File, sizeBytes int64) *verified {
	return &verified{ReadCloser: in, file: f, left: sizeBytes, sum: sha256.New()}
}

// Read implements io.Reader. The last bytes come only when they are known to be right.
func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n]) // a hash never fails
	v.left -= int64(n)
	if v.left == 0 && n > 0 && hex.EncodeToString(v.sum.Sum(nil)) != v.file.SHA256 {
		v.err = fault.New(fault.Corrupt, "the bytes of the file %q are not those of its sha256, %s", v.file.Key, v.file.SHA256).On(fault.Service)
		return 0, v.err
	}
	return n, err
}
