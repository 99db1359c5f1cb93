package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"

	"github.com/corral-fleet/corral/sdk/wire"
)

// readMemory fills in memory and swap. Both come from one reading: gopsutil's
// own call for swap reads another, longer file for numbers that nobody needs here.
func readMemory(ctx context.Context, dst *wire.Memory) error {
	m, err := guarded(func() (*mem.VirtualMemoryStat, error) { return mem.VirtualMemoryWithContext(ctx) })
	switch {
	case err != nil:
		return err
	case m.Total == 0:
		return errors.New("the kernel does not tell the size of the memory") // gopsutil swallows why
	case m.Available > m.Total:
		return fmt.Errorf("%d bytes of memory available, of %d", m.Available, m.Total)
	case m.SwapFree > m.SwapTotal:
		return fmt.Errorf("%d bytes of swap free, of %d", m.SwapFree, m.SwapTotal)
	}
	*dst = wire.Memory{
		Known:          true,
		TotalBytes:     m.Total,
		AvailableBytes: m.Available,
		UsedBytes:      m.Total - m.Available,
		SwapTotalBytes: m.SwapTotal,
		SwapUsedBytes:  m.SwapTotal - m.SwapFree,
	}
	return nil
}

// readLoad fills in the load averages.
func readLoad(ctx context.Context, dst *wire.Load) error {
	avg, err := guarded(func() (*load.AvgStat, error) { return load.AvgWithContext(ctx) })
	if err != nil {
		return err
	}
	for _, v := range [...]float64{avg.Load1, avg.Load5, avg.Load15} {
		if !(v >= 0 && v < math.MaxFloat32) { // also false for NaN
			return fmt.Errorf("a load average of %g", v)
		}
	}
	*dst = wire.Load{Known: true, Load1: float32(avg.Load1), Load5: float32(avg.Load5), Load15: float32(avg.Load15)}
	return nil
}
