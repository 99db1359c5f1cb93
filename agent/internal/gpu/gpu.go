// Package gpu has the words for what is read of a host's graphics processors.
// What could not be read is absent, never zero.
package gpu

import "encoding/json"

// Value is something that a card may not tell. The zero value is absent, which
// is not the same as a known zero.
type Value[T any] struct {
	V     T
	Known bool
}

// Of returns a known value.
func Of[T any](v T) Value[T] { return Value[T]{V: v, Known: true} }

// MarshalJSON writes the value alone. Fields leave an absent one out by omitzero.
func (v Value[T]) MarshalJSON() ([]byte, error) { return json.Marshal(v.V) }

// State says whether GPUs can be read at all.
type State string

// The states of a reading. The zero value is unknown.
const (
	Unknown         State = ""
	OK              State = "ok"
	NoDriver        State = "no_driver"        // no driver is loaded
	NoLibrary       State = "no_library"       // the driver's library cannot be found
	VersionMismatch State = "version_mismatch" // driver and library are of different versions
	Failed          State = "failed"           // the driver answers with an error
)

// Reading is what one look at a host's GPUs found.
type Reading struct {
	Source  string   `json:"source"` // nvml, demo, none, or recorded:NAME
	State   State    `json:"state"`
	Message string   `json:"message,omitempty"` // a sentence for a state other than OK
	Driver  string   `json:"driver_version,omitempty"`
	NVML    string   `json:"nvml_version,omitempty"`
	CUDA    string   `json:"cuda_version,omitempty"`
	Devices []Device `json:"devices"`
}

// Health is what one card is able to do.
type Health string

// The states of a card. The zero value is unknown.
const (
	Healthy  Health = "ok"
	Degraded Health = "degraded" // works, but something is wrong
	Lost     Health = "lost"     // was there and does not answer any more
)

// Device is one card.
type Device struct {
	UUID    string `json:"uuid"` // what it is known by, whatever its place
	Index   uint32 `json:"index"`
	Name    string `json:"name"`
	Address string `json:"pci_address,omitempty"` // such as 0000:01:00.0
	Serial  string `json:"serial,omitempty"`
	VBIOS   string `json:"vbios,omitempty"`
	Health  Health `json:"health"`
	Message string `json:"message,omitempty"`

	UtilizationPercent       Value[uint32] `json:"utilization_percent,omitzero"`       // of the time in which a kernel ran
	MemoryControllerPercent  Value[uint32] `json:"memory_controller_percent,omitzero"` // of the time in which memory was accessed
	MemoryTotalBytes         Value[uint64] `json:"memory_total_bytes,omitzero"`
	MemoryUsedBytes          Value[uint64] `json:"memory_used_bytes,omitzero"`     // without what is reserved, where the driver can tell them apart
	MemoryReservedBytes      Value[uint64] `json:"memory_reserved_bytes,omitzero"` // by the driver and the firmware
	TemperatureCelsius       Value[uint32] `json:"temperature_celsius,omitzero"`
	MemoryTemperatureCelsius Value[uint32] `json:"memory_temperature_celsius,omitzero"`
	SlowdownCelsius          Value[uint32] `json:"slowdown_celsius,omitzero"` // from here on the card slows itself down
	ShutdownCelsius          Value[uint32] `json:"shutdown_celsius,omitzero"` // from here on it turns itself off
	PowerMilliwatts          Value[uint32] `json:"power_mw,omitzero"`
	PowerLimitMilliwatts     Value[uint32] `json:"power_limit_mw,omitzero"` // the one in force
	EnergyMillijoules        Value[uint64] `json:"energy_mj,omitzero"`      // since the driver was loaded
	SMClockMHz               Value[uint32] `json:"sm_clock_mhz,omitzero"`
	SMClockMaxMHz            Value[uint32] `json:"sm_clock_max_mhz,omitzero"`
	MemoryClockMHz           Value[uint32] `json:"memory_clock_mhz,omitzero"`
	MemoryClockMaxMHz        Value[uint32] `json:"memory_clock_max_mhz,omitzero"`
	PState                   Value[uint32] `json:"p_state,omitzero"`          // 0 is the fastest
	ThrottleReasons          Value[uint64] `json:"throttle_reasons,omitzero"` // NVML's bits
	PCIeGeneration           Value[uint32] `json:"pcie_generation,omitzero"`  // drops while idle, by design
	PCIeWidth                Value[uint32] `json:"pcie_width,omitzero"`       // lanes
	PCIeWidthMax             Value[uint32] `json:"pcie_width_max,omitzero"`
	ECCCorrected             Value[uint64] `json:"ecc_corrected,omitzero"`   // over the card's life
	ECCUncorrected           Value[uint64] `json:"ecc_uncorrected,omitzero"` // over the card's life
	RecoveryAction           Value[uint64] `json:"recovery_action,omitzero"` // what the driver asks for; 0 is nothing
	MIG                      Value[bool]   `json:"mig,omitzero"`             // whether it is cut up into parts

	Fans      []Fan     `json:"fans,omitempty"`
	Processes []Process `json:"processes,omitempty"`
	Parts     []Part    `json:"mig_parts,omitempty"`
}

// Fan is the speed that one fan is meant to have, which may pass 100.
type Fan struct {
	Percent uint32 `json:"percent"`
}

// Process is a process of the host that uses a card.
type Process struct {
	PID         uint32        `json:"pid"`
	MemoryBytes Value[uint64] `json:"memory_bytes,omitzero"`
}

// Part is one MIG device of a card.
type Part struct {
	UUID             string        `json:"uuid"`
	Name             string        `json:"name,omitempty"`
	MemoryTotalBytes Value[uint64] `json:"memory_total_bytes,omitzero"`
}
