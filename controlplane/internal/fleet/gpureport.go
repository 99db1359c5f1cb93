package fleet

import (
	"reflect"
	"time"
)

// GPUReading is whether, and by what, a host's GPUs are read.
type GPUReading string

// The states of reading GPUs.
const (
	GPUsUnknown         GPUReading = "unknown"
	GPUsOK              GPUReading = "ok"
	GPUsNone            GPUReading = "none"                // the host has none
	GPUsOff             GPUReading = "off"                 // its agent was told not to look for any
	GPUsStarting        GPUReading = "starting"            // the first reading is to come
	GPUsReleased        GPUReading = "released"            // let go of for a while, as an operator asked for it
	GPUsNoDriver        GPUReading = "no_driver"           // there are some, and no driver is loaded
	GPUsNoLibrary       GPUReading = "no_library"          // the driver's library can't be found
	GPUsVersionMismatch GPUReading = "version_mismatch"    // driver and library are of different versions
	GPUsFailed          GPUReading = "failed"              // the driver answers with an error
	GPUsProbeMissing    GPUReading = "probe_missing"       // the program that reads them can't be started
	GPUsProbeCrashed    GPUReading = "probe_crashed"       // it ended
	GPUsProbeSilent     GPUReading = "probe_silent"        // it gave no reading in time
	GPUsProbeGarbled    GPUReading = "probe_garbled"       // what it said can't be understood
	GPUsUnresponsive    GPUReading = "driver_unresponsive" // it can't even be killed: the driver doesn't return
)

// amiss reports whether something keeps GPUs from being read that nobody wanted.
func (s GPUReading) amiss() bool {
	switch s {
	case GPUsUnknown, GPUsOK, GPUsNone, GPUsOff, GPUsStarting, GPUsReleased:
		return false
	case GPUsNoDriver, GPUsNoLibrary, GPUsVersionMismatch, GPUsFailed, GPUsProbeMissing, GPUsProbeCrashed,
		GPUsProbeSilent, GPUsProbeGarbled, GPUsUnresponsive:
	}
	return true
}

// GPUReport is how a host's GPUs are read, and what happened to them.
type GPUReport struct {
	State               GPUReading `json:"state"`
	Message             string     `json:"message,omitempty"` // a sentence for the state
	Source              string     `json:"source,omitempty"`  // nvml, none, demo or recorded:NAME; the latter two are not real
	DriverVersion       string     `json:"driver_version,omitempty"`
	KernelModuleVersion string     `json:"kernel_module_version,omitempty"` // of the driver in the kernel, which may be another one
	NVMLVersion         string     `json:"nvml_version,omitempty"`
	CUDAVersion         string     `json:"cuda_version,omitempty"`
	ReleasedUntil       time.Time  `json:"released_until,omitzero"`
	Conditions          []Problem  `json:"conditions,omitempty"` // worth knowing, and nothing that keeps them from being read
	Events              []GPUEvent `json:"events,omitempty"`     // the latest, newest last

	Cards []GPUCard `json:"-"` // has a route of its own, as have the processes in it
}

// driverReplaced is the condition that another version of the driver is on disk
// than in the kernel.
const driverReplaced = "driver_replaced"

// problems returns what is wrong with the reading itself.
func (r *GPUReport) problems() []Problem {
	if r == nil {
		return nil
	}
	var found []Problem
	if r.State.amiss() {
		message := r.Message
		if message == "" {
			message = "its GPUs can't be read"
		}
		found = append(found, Problem{Code: "gpus_" + string(r.State), Message: message})
	}
	for _, c := range r.Conditions {
		if c.Code == driverReplaced {
			found = append(found, Problem{Code: "gpus_" + c.Code, Message: c.Message})
		}
	}
	return found
}

// sameShown reports whether two reports show the same, but for the cards.
func (r *GPUReport) sameShown(other *GPUReport) bool {
	if r == nil || other == nil {
		return r == other
	}
	a, b := *r, *other
	a.Cards, b.Cards = nil, nil
	return reflect.DeepEqual(a, b)
}

// GPUEvent is a fault that a GPU's driver reported.
type GPUEvent struct {
	At      time.Time `json:"at"`
	UUID    string    `json:"uuid,omitempty"` // of the GPU, where it is known
	Address string    `json:"pci_address,omitempty"`
	Xid     *int      `json:"xid,omitempty"`
	Name    string    `json:"name,omitempty"`   // NVIDIA's short one
	Message string    `json:"message"`          // a sentence: what happened
	Action  string    `json:"action,omitempty"` // NVIDIA's word for what is to be done
	Advice  string    `json:"advice,omitempty"` // a sentence for that
	PID     int       `json:"pid,omitempty"`    // of the process that it hit
	Process string    `json:"process,omitempty"`
}

// GPUCard is what one GPU is, and what is seldom of interest.
type GPUCard struct {
	UUID              string           `json:"uuid"`
	Address           string           `json:"pci_address,omitempty"`
	Serial            string           `json:"serial,omitempty"`
	VBIOS             string           `json:"vbios,omitempty"`
	Architecture      string           `json:"architecture,omitempty"`
	ComputeCapability string           `json:"compute_capability,omitempty"`
	Figures           map[string]int64 `json:"figures"` // what else it tells, by names with their units
	Parts             []GPUPart        `json:"mig_parts,omitempty"`
	// UnaccountedBytes is the memory in use that no process accounts for.
	UnaccountedBytes *int64       `json:"unaccounted_bytes,omitempty"`
	Processes        []GPUProcess `json:"-"` // for operators
}

// GPUPart is one MIG device of a GPU.
type GPUPart struct {
	UUID             string `json:"uuid"`
	Name             string `json:"name,omitempty"`
	MemoryTotalBytes *int64 `json:"memory_total_bytes,omitempty"`
	MemoryUsedBytes  *int64 `json:"memory_used_bytes,omitempty"`
}

// GPUProcess is a process that uses a GPU of a host. Its command line isn't told.
type GPUProcess struct {
	GPU         string `json:"gpu"` // the UUID
	PID         int    `json:"pid"`
	User        string `json:"user,omitempty"`
	Name        string `json:"name,omitempty"` // of its program
	Kind        string `json:"kind,omitempty"` // compute or graphics
	MemoryBytes *int64 `json:"memory_bytes,omitempty"`
	Instance    string `json:"instance,omitempty"` // the Ollama that it runs a model for; empty for others' processes
}

// GPUShare is what a loaded model has of one GPU.
type GPUShare struct {
	UUID        string `json:"uuid"`
	MemoryBytes *int64 `json:"memory_bytes,omitempty"`
}

// ReportGPUs replaces what is known of how a host's GPUs are read.
func (r *Registry) ReportGPUs(id string, epoch uint64, at time.Time, report *GPUReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.hosts[id]
	if e == nil || epoch < e.epoch || !e.view.State.Reachable() {
		return
	}
	same := report.sameShown(e.view.GPUReport)
	e.view.LastFrameAt, e.view.GPUReport = at, report
	if !same {
		e.assess()
		r.notify()
	}
}
