package check

import (
	"context"
	"fmt"
	"io"

	"github.com/corral-fleet/corral/sdk/storage"
)

// endless is a source that never ends, and tells when so much of it was read.
type endless struct {
	ctx  context.Context //nolint:containedctx // of the upload
	left int64
	half chan struct{}
}

func (e *endless) SizeBytes() int64             { return -1 }
func (e *endless) Open() (io.ReadCloser, error) { return e, nil }
func (e *endless) Close() error                 { return nil }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		select {
		case <-e.half:
		default:
			close(e.half)
		}
		<-e.ctx.Done()
		return 0, e.ctx.Err()
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	return n, nil
}

// uploading begins an upload that waits for its end behind so many bytes, and returns
// where its error comes.
func uploading(ctx context.Context, b storage.Backend, key string, bytes int64) (<-chan error, error) {
	src := &endless{ctx: ctx, left: bytes, half: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- b.Put(ctx, key, src) }()
	select {
	case <-src.half:
		return ended, nil
	case err := <-ended:
		return nil, fmt.Errorf("an upload ended before its source did: %w", errOr(err))
	}
}
