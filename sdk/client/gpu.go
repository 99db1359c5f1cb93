package client

// GPUState is what a GPU is able to do.
type GPUState string

// The states of a GPU.
const (
	GPUUnknown  GPUState = "unknown"
	GPUOK       GPUState = "ok"
	GPUDegraded GPUState = "degraded" // can be used; its message says what is wrong
	GPULost     GPUState = "lost"     // was there and does not answer any more
)

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
