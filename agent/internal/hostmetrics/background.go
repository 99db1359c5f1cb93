package hostmetrics

import (
	"context"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/common"
)

// How often the background reads, and for how long a value counts.
const (
	mountInterval  = 10 * time.Second
	sensorInterval = 30 * time.Second
	staleAfter     = time.Minute
)

// Run keeps file systems and temperatures up to date until ctx ends, and then
// returns nil. It is called once; before it, samples have neither.
//
// A file system that hangs is asked again when the kernel has answered for it,
// its row goes when it is a minute old, and the others are read meanwhile. Of
// all that Run starts, only calls that hang in the kernel, nine at most, can
// outlive it.
func (s *Sampler) Run(ctx context.Context) error {
	ctx = context.WithValue(ctx, common.EnvKey, s.env)
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, mountInterval, s.refreshMounts) })
	wg.Go(func() { every(ctx, sensorInterval, s.refreshSensors) })
	wg.Wait()
	return nil
}

// every calls f now and then in each interval, one call at a time, until ctx ends.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		f(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
