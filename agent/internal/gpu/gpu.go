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

// If returns a value that is known where that holds, and an absent one elsewhere.
func If[T any](known bool, v T) Value[T] {
	if !known {
		return Value[T]{}
	}
	return Of(v)
}

// MarshalJSON writes the value alone. Fields leave an absent one out by omitzero.
func (v Value[T]) MarshalJSON() ([]byte, error) { return json.Marshal(v.V) }

// UnmarshalJSON reads a value that is there, and is known by that.
func (v *Value[T]) UnmarshalJSON(b []byte) error {
	v.Known = true
	return json.Unmarshal(b, &v.V)
}

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
	Source       string      `json:"source"` // nvml, demo, none, or recorded:NAME
	State        State       `json:"state"`
	Message      string      `json:"message,omitempty"` // a sentence for a state other than OK
	Driver       string      `json:"driver_version,omitempty"`
	KernelModule string      `json:"kernel_module_version,omitempty"` // of the driver in the kernel, which may be another one
	NVML         string      `json:"nvml_version,omitempty"`
	CUDA         string      `json:"cuda_version,omitempty"`
	Conditions   []Condition `json:"conditions,omitempty"`
	Devices      []Device    `json:"devices"`

	// Events happened since the reading before; each is in one reading alone.
	// LogSequence is the last record of the kernel log that was looked at for
	// them: a probe that is told it begins behind it.
	Events      []Event       `json:"events,omitempty"`
	LogSequence Value[uint64] `json:"log_sequence,omitzero"`
}

// Condition is something about a host's GPUs that an operator should know and
// that does not keep them from being read.
type Condition struct {
	Code    ConditionCode `json:"code"`
	Message string        `json:"message"` // a sentence
}

// ConditionCode names a condition.
type ConditionCode string

// The conditions.
const (
	LogUnreadable  ConditionCode = "kernel_log_unreadable" // events come from the driver's library alone
	NoDriverEvents ConditionCode = "driver_events_missing" // events come from the kernel log alone
	DriverReplaced ConditionCode = "driver_replaced"       // on disk is another version than in the kernel
)
