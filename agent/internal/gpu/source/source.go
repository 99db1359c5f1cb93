// Package source is where readings of GPUs come from.
package source

import (
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

// Machines are those that are recorded.
func Machines() []string { return []string{"dgxa100", "dgxh100", "dgxh200"} }

// Source reads GPUs. It is used by one goroutine at a time.
type Source interface {
	// Read looks at the GPUs once. That they cannot be read is a state of the
	// reading. It may never return: the driver decides.
	Read() gpu.Reading
}

// Check says what is wrong with the name of a source.
func Check(name string) error {
	machine, recorded := strings.CutPrefix(name, RecordedPrefix)
	switch {
	case name == Auto, name == None, name == Demo:
		return nil
	case recorded:
		for _, m := range Machines() {
			if m == machine {
				return nil
			}
		}
	}
	return fault.New(fault.Invalid, "%q is none of %s, %s, %s, %s%s", name, Auto, None, Demo, RecordedPrefix, strings.Join(Machines(), ", "+RecordedPrefix))
}

// Open returns the source of that name.
func Open(name string) (Source, error) {
	if err := Check(name); err != nil {
		return nil, err
	}
	switch name {
	case None:
		return none{}, nil
	case Demo:
		return &demo{}, nil
	case Auto:
		return openNVML()
	}
	return openRecorded(strings.TrimPrefix(name, RecordedPrefix))
}

type none struct{}

func (none) Read() gpu.Reading {
	return gpu.Reading{Source: None, State: gpu.OK, Devices: []gpu.Device{}}
}
