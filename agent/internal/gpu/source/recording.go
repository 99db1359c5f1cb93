package source

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// recorded has what real machines told, one reading a line.
//
//go:embed recordings
var recorded embed.FS

const (
	recordedIn  = "recordings/"
	recordedExt = ".jsonl"
)

// recordings are the names of the real machines that are recorded.
func recordings() []string {
	entries, _ := recorded.ReadDir(strings.TrimSuffix(recordedIn, "/")) // it is part of the program
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), recordedExt); ok {
			names = append(names, name)
		}
	}
	return names
}

// recordedPID is the first number of processes on recorded machines. Linux gives
// none that is as high.
const recordedPID = 1<<22 + 1

// recording tells what a machine told, over and over.
type recording struct {
	name     string
	readings []gpu.Reading
	next     int
}

func openRecording(machine string) (Source, error) {
	b, err := recorded.ReadFile(recordedIn + machine + recordedExt)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", machine, err)
	}
	r := &recording{name: RecordedPrefix + machine}
	dec := json.NewDecoder(bytes.NewReader(b))
	for {
		var reading gpu.Reading
		err := dec.Decode(&reading)
		if errors.Is(err, io.EOF) && len(r.readings) > 0 {
			return r, nil
		}
		if err != nil {
			return nil, fmt.Errorf("recording %s: reading %d: %w", machine, len(r.readings), err)
		}
		r.readings = append(r.readings, reading)
	}
}

// Read leaves events out after the first round, as they happened once.
func (r *recording) Read(into *gpu.Reading) {
	i := r.next % len(r.readings)
	again := r.next >= len(r.readings)
	r.next++
	from := &r.readings[i]
	blank(into, r.name)
	into.State, into.Message = from.State, from.Message
	into.Driver, into.KernelModule, into.NVML, into.CUDA = from.Driver, from.KernelModule, from.NVML, from.CUDA
	into.Conditions = append(into.Conditions, from.Conditions...)
	into.Devices = append(into.Devices, from.Devices...)
	if !again {
		into.Events = append(into.Events, from.Events...)
	}
}

// Anonymous makes a reading fit to be recorded: it says no longer which cards of
// all that there are it was read of.
func Anonymous(r *gpu.Reading, machine string) {
	names := map[string]string{}
	for i := range r.Devices {
		d := &r.Devices[i]
		d.Serial = ""
		names[d.UUID] = fmt.Sprintf("GPU-%s-0000-0000-0000-%012d", machine, i)
		d.UUID = names[d.UUID]
		for j := range d.Processes {
			d.Processes[j].PID = recordedPID + uint32(j)
		}
		for j := range d.Parts {
			d.Parts[j].UUID = fmt.Sprintf("MIG-%s-0000-0000-%04d-%012d", machine, i, j)
		}
	}
	for i := range r.Events {
		e := &r.Events[i]
		e.UUID = names[e.UUID]
	}
	r.LogSequence = gpu.Value[uint64]{}
}
