package storages

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/sdk/storage"
)

// How often it is looked for what killed uploads have left, and for how long one has not gone
// on that counts as such.
const (
	sweepEvery = time.Hour
	leftAfter  = 24 * time.Hour
)

// sweep has a storage remove what killed uploads have left there.
func (s *Service) sweep(ctx context.Context, e *entry) {
	sweeper, ok := storage.As[storage.Sweeper](storage.Backend(e.instance))
	if !ok {
		return
	}
	switch n, err := sweeper.Sweep(ctx, leftAfter); {
	case err != nil && ctx.Err() == nil:
		s.Log.Warn("what killed uploads have left is not removed", "storage", e.Name, "error", err)
	case n > 0:
		s.Log.Info("what killed uploads had left is removed", "storage", e.Name, "uploads", n)
	}
}
