package fleet

import "time"

// Sample is one reading of a host. What could not be read is nil or missing.
type Sample struct {
	TakenAt       time.Time `json:"taken_at"` // by the agent's clock, corrected by its measured offset
	CPUPercent    *float64  `json:"cpu_percent"`
	CorePercent   []float64 `json:"core_percent,omitempty"`
	Load          []float64 `json:"load,omitempty"` // over 1, 5 and 15 minutes
	Memory        *Memory   `json:"memory"`
	UptimeSeconds int64     `json:"uptime_seconds,omitempty"`
	Disks         []Disk    `json:"disks,omitempty"`
	DiskIO        []DiskIO  `json:"disk_io,omitempty"`
	Networks      []Network `json:"networks,omitempty"`
	Sensors       []Sensor  `json:"sensors,omitempty"`
	InFlight      int       `json:"in_flight"`
	GPUs          []GPU     `json:"gpus"` // empty where there are none, and where none was looked for
}

// gpus returns the GPUs of a sample, none where there is no sample.
func (s *Sample) gpus() []GPU {
	if s == nil {
		return nil
	}
	return s.GPUs
}

// Memory is a host's memory. Used is total less what is available to a new program.
type Memory struct {
	TotalBytes     int64 `json:"total_bytes"`
	UsedBytes      int64 `json:"used_bytes"`
	AvailableBytes int64 `json:"available_bytes"`
	SwapTotalBytes int64 `json:"swap_total_bytes"`
	SwapUsedBytes  int64 `json:"swap_used_bytes"`
}

// UsedPercent returns the used share, 0 to 100, and false where the total is not known.
func (m *Memory) UsedPercent() (float64, bool) {
	if m == nil || m.TotalBytes <= 0 {
		return 0, false
	}
	return 100 * float64(m.UsedBytes) / float64(m.TotalBytes), true
}

// Disk is one mounted file system.
type Disk struct {
	Mount      string `json:"mount"`
	Device     string `json:"device"`
	FileSystem string `json:"file_system"`
	TotalBytes int64  `json:"total_bytes"`
	UsedBytes  int64  `json:"used_bytes"`
	FreeBytes  int64  `json:"free_bytes"`
}

// DiskIO is what a block device did since the host started.
type DiskIO struct {
	Device       string `json:"device"`
	ReadBytes    int64  `json:"read_bytes"`
	WrittenBytes int64  `json:"written_bytes"`
	BusyMillis   int64  `json:"busy_ms"`
}

// Network is what an interface carried since the host started.
type Network struct {
	Interface     string `json:"interface"`
	ReceivedBytes int64  `json:"received_bytes"`
	SentBytes     int64  `json:"sent_bytes"`
	Errors        int64  `json:"errors"`
	Dropped       int64  `json:"dropped"`
}

// Sensor is one temperature.
type Sensor struct {
	Name    string  `json:"name"`
	Celsius float64 `json:"celsius"`
}
