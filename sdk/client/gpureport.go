package client

import (
	"context"
	"time"
)

// GPUReport is how a host's GPUs are read, and what happened to them.
type GPUReport struct {
	// State is "ok"; "none", "off", "starting" or "released", which are nothing bad;
	// "unknown"; or why they can't be read, such as "no_driver" or "probe_crashed".
	State               string     `json:"state"`
	Message             string     `json:"message,omitempty"` // a sentence for the state
	Source              string     `json:"source,omitempty"`  // nvml, none, demo or recorded:NAME; the latter two are not real
	DriverVersion       string     `json:"driver_version,omitempty"`
	KernelModuleVersion string     `json:"kernel_module_version,omitempty"` // of the driver in the kernel, which may be another one
	NVMLVersion         string     `json:"nvml_version,omitempty"`
	CUDAVersion         string     `json:"cuda_version,omitempty"`
	ReleasedUntil       time.Time  `json:"released_until,omitzero"`
	Conditions          []Problem  `json:"conditions,omitempty"` // worth knowing, and nothing that keeps them from being read
	Events              []GPUEvent `json:"events,omitempty"`     // the latest, newest last
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

// HostGPUs is a [GPUReport] with what each GPU is.
type HostGPUs struct {
	GPUReport
	Cards []GPUCard `json:"cards"`
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
	UnaccountedBytes *int64 `json:"unaccounted_bytes,omitempty"`
}

// GPUPart is one MIG device of a GPU.
type GPUPart struct {
	UUID             string `json:"uuid"`
	Name             string `json:"name,omitempty"`
	MemoryTotalBytes *int64 `json:"memory_total_bytes,omitempty"`
	MemoryUsedBytes  *int64 `json:"memory_used_bytes,omitempty"`
}

// GPUProcess is a process that uses a GPU of a host.
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

// GPUs returns how a host's GPUs are read and what each of them is. A host whose
// agent is not connected is fault.Unavailable. It needs the role viewer.
func (c *Client) GPUs(ctx context.Context, host string) (*HostGPUs, error) {
	var g HostGPUs
	if err := c.ask(ctx, get("api", "hosts", host, "gpus"), &g); err != nil {
		return nil, err
	}
	return &g, nil
}

// GPUProcesses returns the processes that use a host's GPUs, also those that have
// nothing to do with Ollama. It needs the role operator.
func (c *Client) GPUProcesses(ctx context.Context, host string) ([]GPUProcess, error) {
	var processes []GPUProcess
	err := c.ask(ctx, get("api", "hosts", host, "gpus", "processes"), &processes)
	return processes, err
}

// ReleaseGPUs has a host's agent let go of the GPU driver, as for its upgrade or to
// reset a GPU, and returns the host when that is done. After d, which is a whole
// number of seconds and a day at most, GPUs are read again. Models stay where they
// are: Ollama holds the driver as well. It needs the role operator.
func (c *Client) ReleaseGPUs(ctx context.Context, host string, d time.Duration) (*Host, error) {
	what := post("api", "hosts", host, "gpus", "release")
	what.body = struct {
		Seconds int64 `json:"seconds"`
	}{int64(d / time.Second)}
	var h Host
	if err := c.ask(ctx, what, &h); err != nil {
		return nil, err
	}
	return &h, nil
}

// AcquireGPUs has a host's agent read its GPUs again before the time of
// [Client.ReleaseGPUs] is over, and returns the host. It needs the role operator.
func (c *Client) AcquireGPUs(ctx context.Context, host string) (*Host, error) {
	return c.change(ctx, host, "gpus", "acquire")
}
