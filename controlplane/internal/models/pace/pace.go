// Package pace holds what is sent to so many bytes a second, over all readers together.
package pace

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// Limiter is one limit for many readers. Its methods may be called concurrently.
type Limiter struct {
	current func() int64
	bucket  *rate.Limiter
}

// pieceBytes is how much a reader reads at a time where there is a limit: none of several
// waits long for the others.
const pieceBytes = 64 << 10

// New returns a limiter to what current returns in bytes a second, 0 for no limit. It is
// asked at each read.
func New(current func() int64) *Limiter {
	return &Limiter{current: current, bucket: rate.NewLimiter(rate.Inf, pieceBytes)}
}

// Reader returns a reader that is read no faster than the limit lets it, and fails when
// ctx ends while it waits.
func (l *Limiter) Reader(ctx context.Context, r io.ReadCloser) io.ReadCloser {
	return &limited{ReadCloser: r, ctx: ctx, limiter: l}
}

type limited struct {
	io.ReadCloser

	ctx     context.Context //nolint:containedctx // of the reader, which io.Reader has no place for
	limiter *Limiter
}

// Read implements [io.Reader].
func (l *limited) Read(p []byte) (int, error) {
	most := l.limiter.current()
	if most <= 0 {
		return l.ReadCloser.Read(p)
	}
	if limit := rate.Limit(most); l.limiter.bucket.Limit() != limit {
		l.limiter.bucket.SetLimit(limit)
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), pieceBytes)])
	if n > 0 {
		if waited := l.limiter.bucket.WaitN(l.ctx, n); waited != nil {
			return 0, waited
		}
	}
	return n, err
}
