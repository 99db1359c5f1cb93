package fleet

import (
	"cmp"
	"fmt"
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
