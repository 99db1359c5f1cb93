// Package source is where readings of GPUs come from.
package source

import (
	"slices"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/fault"
)

// The names of sources. A recorded machine is named after [RecordedPrefix].
const (
	Auto           = "auto" // what the host has
	None           = "none"
	Demo           = "demo" // made up, for people without a GPU; never by itself
	RecordedPrefix = "recorded:"
)

// Source reads GPUs. It is used by one goroutine at a time.
type Source interface {
	// Read looks at the GPUs once. That they cannot be read is a state of the
	// reading. What it puts there is its own until it is called again, and it
	// uses the memory that it finds. It may never return: the driver decides.
	Read(into *gpu.Reading)
}

// Host is where a source finds what it reads. Tests have a host of their own.
type Host struct {
	Library  string            // of the driver, as the dynamic linker finds it
	Sys      string            // where sysfs is
	Proc     string            // where procfs is
	Log      string            // the kernel log's device
	LogAfter gpu.Value[uint64] // the last record of the log that is known already

	// CUDA begins to ask for the version of CUDA in another process, and sends it
	// when it is known. The driver's library loads CUDA's to answer, which stays
	// in memory. Without it this process asks.
	CUDA func() <-chan string
}

// ThisHost returns the host that the program runs on.
func ThisHost() Host {
	return Host{Library: "libnvidia-ml.so.1", Sys: "/sys", Proc: "/proc", Log: "/dev/kmsg"}
}

// Machines are those that are recorded: the binding's, and real ones.
func Machines() []string { return slices.Concat(ofBinding(), recordings()) }

// ofBinding are machines of eight cards each.
func ofBinding() []string { return []string{"dgxa100", "dgxh100", "dgxh200"} }

// Check says what is wrong with the name of a source.
func Check(name string) error {
	machine, recorded := strings.CutPrefix(name, RecordedPrefix)
	if name == Auto || name == None || name == Demo || recorded && slices.Contains(Machines(), machine) {
		return nil
	}
	return fault.New(fault.Invalid, "%q is none of %s, %s, %s, %s%s", name, Auto, None, Demo, RecordedPrefix, strings.Join(Machines(), ", "+RecordedPrefix))
}

// Open returns the source of that name.
func Open(name string, host Host) (Source, error) {
	if err := Check(name); err != nil {
		return nil, err
	}
	machine := strings.TrimPrefix(name, RecordedPrefix)
	switch {
	case name == None:
		return none{}, nil
	case name == Demo:
		return &demo{}, nil
	case name == Auto:
		return openNVML(host)
	case slices.Contains(recordings(), machine):
		return openRecording(machine)
	}
	return openMachine(machine)
}

type none struct{}

func (none) Read(into *gpu.Reading) { blank(into, None) }

// blank makes a reading empty, and keeps its memory.
func blank(r *gpu.Reading, source string) {
	*r = gpu.Reading{
		Source: source, State: gpu.OK,
		Conditions: r.Conditions[:0], Devices: r.Devices[:0], Events: r.Events[:0],
	}
	if r.Devices == nil {
		r.Devices = []gpu.Device{} // in JSON a list without any is not null
	}
}
