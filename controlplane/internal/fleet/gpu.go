package fleet

import (
	"cmp"
	"fmt"
	"sync/atomic"
)

// GPUState is what a GPU is able to do.
type GPUState string

// The states of a GPU.
const (
	GPUUnknown  GPUState = "unknown"
	GPUOK       GPUState = "ok"
	GPUDegraded GPUState = "degraded" // can be used; its message says what is wrong
	GPULost     GPUState = "lost"     // was there and does not answer any more
)

// Unhealthy reports whether something is known to be wrong.
func (s GPUState) Unhealthy() bool { return s == GPUDegraded || s == GPULost }

// GPU is one graphics processor of a host. What could not be read is nil.
type GPU struct {
	UUID               string   `json:"uuid"`  // what it is known by, whatever its place
	Index              int      `json:"index"` // its place as the driver counts
	Name               string   `json:"name"`
	State              GPUState `json:"state"`
	Message            string   `json:"message,omitempty"`
	UtilizationPercent *float64 `json:"utilization_percent,omitempty"`
	MemoryUsedBytes    *int64   `json:"memory_used_bytes,omitempty"`
	MemoryTotalBytes   *int64   `json:"memory_total_bytes,omitempty"`
	TemperatureCelsius *float64 `json:"temperature_celsius,omitempty"`
	SlowdownCelsius    *float64 `json:"slowdown_celsius,omitempty"` // from here on it slows itself down
	PowerWatts         *float64 `json:"power_watts,omitempty"`
	PowerLimitWatts    *float64 `json:"power_limit_watts,omitempty"`
	// MemoryReservedBytes are the driver's own, no part of those that are used.
	MemoryReservedBytes *int64   `json:"memory_reserved_bytes,omitempty"`
	SMClockMHz          *float64 `json:"sm_clock_mhz,omitempty"`
	MemoryClockMHz      *float64 `json:"memory_clock_mhz,omitempty"`
	Throttled           []string `json:"throttled,omitempty"` // why the clocks are lower than they could be: stable words
	// Source is what made the card up, "demo" or "recorded:…"; empty for real ones.
	Source string `json:"source,omitempty"`
}

// GPUMemory is how much memory a host's GPUs have to spare, by its latest sample.
// It may be read while it is changed; the zero value, and nil, know nothing.
type GPUMemory struct {
	free atomic.Int64 // and 1, so that 0 is unknown
}

// FreeBytes returns what is free on all GPUs together, and false where that is not
// known: there are none, or one of them does not tell.
func (m *GPUMemory) FreeBytes() (free int64, known bool) {
	if m == nil {
		return 0, false
	}
	told := m.free.Load()
	return told - 1, told > 0
}

// observe takes up what a sample tells. A GPU that is lost has nothing to spare.
func (m *GPUMemory) observe(gpus []GPU) {
	sum := int64(0)
	for i := range gpus {
		g := &gpus[i]
		switch {
		case g.State == GPULost:
		case g.MemoryTotalBytes == nil || g.MemoryUsedBytes == nil:
			m.free.Store(0)
			return
		default:
			reserved := int64(0)
			if g.MemoryReservedBytes != nil {
				reserved = *g.MemoryReservedBytes
			}
			sum += max(*g.MemoryTotalBytes-*g.MemoryUsedBytes-reserved, 0)
		}
	}
	if len(gpus) > 0 {
		sum++
	}
	m.free.Store(sum)
}

// problem returns what is wrong with the GPU, if that is known.
func (g *GPU) problem() (Problem, bool) {
	if !g.State.Unhealthy() {
		return Problem{}, false
	}
	message := fmt.Sprintf("GPU %d (%s) is %s", g.Index, cmp.Or(g.Name, g.UUID), g.State)
	if g.Message != "" {
		message += ": " + g.Message
	}
	return Problem{Code: "gpu_" + string(g.State), Message: message}, true
}

// sameGPUHealth reports whether two readings agree on what is wrong with which GPU.
func sameGPUHealth(a, b []GPU) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].State != b[i].State || a[i].Message != b[i].Message || a[i].UUID != b[i].UUID {
			return false
		}
	}
	return true
}
