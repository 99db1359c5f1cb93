package gpu

// Health is what one card is able to do.
type Health string

// The states of a card. The zero value is unknown.
const (
	Unread        Health = ""
	Healthy       Health = "ok"
	Degraded      Health = "degraded"       // works, but something is wrong
	Lost          Health = "lost"           // was there and does not answer any more
	ResetRequired Health = "reset_required" // does not answer until it has been reset
	Erring        Health = "failed"         // the driver answers for it with an error
	Undriven      Health = "undriven"       // is on the PCI bus, and the driver does not list it
	Suspended     Health = "suspended"      // saves power, and is not woken up to be read
)

// Device is one card.
type Device struct {
	UUID              string        `json:"uuid"`           // what it is known by, whatever its place; PCI-ADDRESS where its own cannot be read
	Index             Value[uint32] `json:"index,omitzero"` // the driver's; absent where it does not list the card
	Name              string        `json:"name"`
	Address           string        `json:"pci_address,omitempty"` // such as 0000:01:00.0
	Serial            string        `json:"serial,omitempty"`
	VBIOS             string        `json:"vbios,omitempty"`
	Architecture      string        `json:"architecture,omitempty"`       // such as Hopper
	ComputeCapability string        `json:"compute_capability,omitempty"` // such as 9.0
	Health            Health        `json:"health"`
	Message           string        `json:"message,omitempty"`

	UtilizationPercent       Value[uint32] `json:"utilization_percent,omitzero"`       // of the time in which a kernel ran
	MemoryControllerPercent  Value[uint32] `json:"memory_controller_percent,omitzero"` // of the time in which memory was accessed
	MemoryTotalBytes         Value[uint64] `json:"memory_total_bytes,omitzero"`
	MemoryUsedBytes          Value[uint64] `json:"memory_used_bytes,omitzero"`     // without what is reserved, where the driver can tell them apart
	MemoryReservedBytes      Value[uint64] `json:"memory_reserved_bytes,omitzero"` // by the driver and the firmware
	TemperatureCelsius       Value[uint32] `json:"temperature_celsius,omitzero"`
	MemoryTemperatureCelsius Value[uint32] `json:"memory_temperature_celsius,omitzero"`
	MarginCelsius            Value[int32]  `json:"margin_celsius,omitzero"`     // left until it slows itself down; may be negative
	SlowdownCelsius          Value[uint32] `json:"slowdown_celsius,omitzero"`   // from here on the card slows itself down
	ShutdownCelsius          Value[uint32] `json:"shutdown_celsius,omitzero"`   // from here on it turns itself off
	MaxCelsius               Value[uint32] `json:"max_celsius,omitzero"`        // that it is meant to work at
	MemoryMaxCelsius         Value[uint32] `json:"memory_max_celsius,omitzero"` // that its memory is meant to work at
	PowerMilliwatts          Value[uint32] `json:"power_mw,omitzero"`           // over the last second on most cards since Ampere
	PowerInstantMilliwatts   Value[uint32] `json:"power_instant_mw,omitzero"`
	PowerLimitMilliwatts     Value[uint32] `json:"power_limit_mw,omitzero"` // the one in force
	PowerDefaultMilliwatts   Value[uint32] `json:"power_limit_default_mw,omitzero"`
	PowerMinMilliwatts       Value[uint32] `json:"power_limit_min_mw,omitzero"` // that can be set
	PowerMaxMilliwatts       Value[uint32] `json:"power_limit_max_mw,omitzero"` // that can be set
	EnergyMillijoules        Value[uint64] `json:"energy_mj,omitzero"`          // since the driver was loaded
	SMClockMHz               Value[uint32] `json:"sm_clock_mhz,omitzero"`
	SMClockMaxMHz            Value[uint32] `json:"sm_clock_max_mhz,omitzero"`
	MemoryClockMHz           Value[uint32] `json:"memory_clock_mhz,omitzero"`
	MemoryClockMaxMHz        Value[uint32] `json:"memory_clock_max_mhz,omitzero"`
	GraphicsClockMHz         Value[uint32] `json:"graphics_clock_mhz,omitzero"`
	GraphicsClockMaxMHz      Value[uint32] `json:"graphics_clock_max_mhz,omitzero"`
	VideoClockMHz            Value[uint32] `json:"video_clock_mhz,omitzero"`
	VideoClockMaxMHz         Value[uint32] `json:"video_clock_max_mhz,omitzero"`
	PState                   Value[uint32] `json:"p_state,omitzero"` // 0 is the fastest
	PCIeGeneration           Value[uint32] `json:"pcie_generation,omitzero"`
	PCIeGenerationMax        Value[uint32] `json:"pcie_generation_max,omitzero"` // of this card in this place
	PCIeWidth                Value[uint32] `json:"pcie_width,omitzero"`          // lanes
	PCIeWidthMax             Value[uint32] `json:"pcie_width_max,omitzero"`
	PCIeReplays              Value[uint64] `json:"pcie_replays,omitzero"` // since the driver was loaded
	ECC                      Value[bool]   `json:"ecc,omitzero"`          // whether errors in memory are corrected
	ECCCorrected             Value[uint64] `json:"ecc_corrected,omitzero"`
	ECCUncorrected           Value[uint64] `json:"ecc_uncorrected,omitzero"`
	ECCCorrectedRecent       Value[uint64] `json:"ecc_corrected_recent,omitzero"` // since the driver was loaded; the others are over the card's life
	ECCUncorrectedRecent     Value[uint64] `json:"ecc_uncorrected_recent,omitzero"`
	RowsRemappedCorrected    Value[uint64] `json:"rows_remapped_corrected,omitzero"` // rows of memory that were replaced, over the card's life
	RowsRemappedUncorrected  Value[uint64] `json:"rows_remapped_uncorrected,omitzero"`
	RowRemapPending          Value[bool]   `json:"row_remap_pending,omitzero"` // rows are replaced when it is reset
	RowRemapFailed           Value[bool]   `json:"row_remap_failed,omitzero"`  // there are no rows left to replace with
	RecoveryAction           Value[uint64] `json:"recovery_action,omitzero"`   // what the driver asks for; 0 is nothing
	Persistence              Value[bool]   `json:"persistence,omitzero"`       // whether it stays initialized while nothing uses it
	MIG                      Value[bool]   `json:"mig,omitzero"`               // whether it is cut up into parts

	// ThrottleReasons are NVML's bits for why the clocks are lower than they
	// could be, right now. Throttled is for how long they have been so.
	ThrottleReasons Value[uint64] `json:"throttle_reasons,omitzero"`
	Throttled       Throttled     `json:"throttled,omitzero"`

	Fans      []Fan     `json:"fans,omitempty"`
	Processes []Process `json:"processes,omitempty"`
	Parts     []Part    `json:"mig_parts,omitempty"`
	Absent    []Absence `json:"absent,omitempty"` // what the card does not tell, and why
}

// Throttled has, for each reason, how long it has kept the clocks down since the
// driver was loaded. Reasons overlap.
type Throttled struct {
	PowerCapNanoseconds        Value[uint64] `json:"power_cap_ns,omitzero"`        // to stay below the power limit
	ThermalNanoseconds         Value[uint64] `json:"thermal_ns,omitzero"`          // the driver, to stay below the temperature that it is meant to work at
	HardwareThermalNanoseconds Value[uint64] `json:"hardware_thermal_ns,omitzero"` // the card itself, as it was far too hot
	PowerBrakeNanoseconds      Value[uint64] `json:"power_brake_ns,omitzero"`      // the power supply asked for it
	SyncBoostNanoseconds       Value[uint64] `json:"sync_boost_ns,omitzero"`       // to keep in step with other cards
}

// Fan is the speed that one fan is meant to have, which may pass 100.
type Fan struct {
	Percent uint32 `json:"percent"`
}

// ProcessKind is what a process uses a card for.
type ProcessKind string

// The kinds of processes. One that does both is listed twice.
const (
	Compute  ProcessKind = "compute"
	Graphics ProcessKind = "graphics"
)

// Process is a process that uses a card. Its number is the host's, also where
// it runs in a container.
type Process struct {
	PID             uint32        `json:"pid"`
	Kind            ProcessKind   `json:"kind"`
	MemoryBytes     Value[uint64] `json:"memory_bytes,omitzero"`
	GPUInstance     Value[uint32] `json:"gpu_instance,omitzero"` // the part of the card, where it is cut up
	ComputeInstance Value[uint32] `json:"compute_instance,omitzero"`
}

// Part is one MIG device of a card. Memory belongs to the GPU instance: the
// compute instances in it share it, and each shows all of it.
type Part struct {
	UUID                string        `json:"uuid"`
	Name                string        `json:"name,omitempty"`
	GPUInstance         Value[uint32] `json:"gpu_instance,omitzero"`
	ComputeInstance     Value[uint32] `json:"compute_instance,omitzero"`
	MemoryTotalBytes    Value[uint64] `json:"memory_total_bytes,omitzero"`
	MemoryUsedBytes     Value[uint64] `json:"memory_used_bytes,omitzero"`
	MemoryReservedBytes Value[uint64] `json:"memory_reserved_bytes,omitzero"`
}

// Absence is why a field of a card is absent.
type Absence struct {
	Field  string        `json:"field"` // as it is called in JSON
	Reason AbsenceReason `json:"reason"`
	Code   uint32        `json:"code,omitempty"` // NVML's
}

// AbsenceReason says why a field is absent.
type AbsenceReason string

// The reasons for an absent field.
const (
	Unsupported  AbsenceReason = "unsupported"   // by this card with this driver
	NoFunction   AbsenceReason = "no_function"   // the driver's library lacks the function, as it is too old or too new
	NoPermission AbsenceReason = "no_permission" // the probe may not ask
	CallFailed   AbsenceReason = "failed"        // it was asked and answered with an error
)
