package procstat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Load is what a process used over some time.
type Load struct {
	Name    string
	PID     int
	Over    time.Duration
	CPU     time.Duration // used in that time
	PeakRSS uint64        // bytes, the highest of the readings
	RSS     []uint64      // bytes, each reading
	Last    Usage
}

// CorePercent returns the CPU time in percent of one core.
func (l Load) CorePercent() float64 { return 100 * l.CPU.Seconds() / l.Over.Seconds() }

// GrowthPercent returns how much larger the resident memory is in the last tenth of
// the readings than in the first, medians of both. A single reading has not grown.
func (l Load) GrowthPercent() float64 {
	tenth := max(1, len(l.RSS)/10)
	first, last := median(l.RSS[:tenth]), median(l.RSS[len(l.RSS)-tenth:])
	return 100 * (float64(last) - float64(first)) / float64(first)
}

func median(readings []uint64) uint64 { return slices.Sorted(slices.Values(readings))[len(readings)/2] }

// Watch reads a process once a second for the given time. A process that ends
// before is an error.
func Watch(ctx context.Context, pid int, over time.Duration) (Load, error) {
	first, err := Read(pid)
	if err != nil {
		return Load{}, err
	}
	start := time.Now()
	end := time.NewTimer(over)
	defer end.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	load := Load{Name: first.Name, PID: pid, PeakRSS: first.RSS, RSS: []uint64{first.RSS}}
	for done := false; !done; {
		select {
		case <-ctx.Done():
			return Load{}, fmt.Errorf("watch process %d: %w", pid, ctx.Err())
		case <-second.C:
		case <-end.C:
			done = true
		}
		now, err := Read(pid)
		if err != nil {
			return Load{}, err
		}
		load.Last, load.PeakRSS, load.RSS = now, max(load.PeakRSS, now.RSS), append(load.RSS, now.RSS)
	}
	load.Over, load.CPU = time.Since(start), load.Last.CPU-first.CPU
	return load, nil
}

// WatchAll watches several processes over the same time, and returns their
// loads in the order of pids. One that ends before is an error.
func WatchAll(ctx context.Context, pids []int, over time.Duration) ([]Load, error) {
	loads := make([]Load, len(pids))
	errs := make([]error, len(pids))
	var wg sync.WaitGroup
	for i, pid := range pids {
		wg.Go(func() { loads[i], errs[i] = Watch(ctx, pid, over) })
	}
	wg.Wait()
	return loads, errors.Join(errs...)
}
