//go:build cgo

package source

import (
	"cmp"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

const libraryName = "libnvidia-ml.so.1"

// slowInterval is how often that is read which changes seldom or costs much.
const slowInterval = 10 * time.Second

// nvmlSource reads through NVIDIA's library.
//
// The binding ends the process at the first call of a function that the library
// does not have, and at any call after a failed Init. So nothing is called
// before its symbol has been looked up, and nothing after an Init that failed.
type nvmlSource struct {
	name    string
	lib     nvml.Interface
	lookup  func(symbol string) error
	symbols map[string]bool
	cards   []*card // by index; those that are gone stay, as lost
	slowAt  time.Time
	now     func() time.Time
}

func openNVML() (Source, error) {
	const name = "nvml"
	library := dl.New(libraryName, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
	if err := library.Open(); err != nil {
		return failed(name, gpu.NoLibrary, "the NVIDIA driver's library, "+libraryName+", cannot be loaded"), nil
	}
	if library.Lookup("nvmlInit_v2") != nil {
		return failed(name, gpu.NoLibrary, libraryName+" is not NVIDIA's, or far too old: it lacks nvmlInit_v2"), nil
	}
	lib := nvml.New()
	return newNVML(name, lib, library.Lookup), nil
}

func newNVML(name string, lib nvml.Interface, lookup func(string) error) Source {
	if ret := lib.Init(); ret != nvml.SUCCESS {
		state, message := stateOf(ret)
		return failed(name, state, message)
	}
	return &nvmlSource{name: name, lib: lib, lookup: lookup, symbols: map[string]bool{}, now: time.Now}
}

// failed is a source of which only that is known.
type failedSource gpu.Reading

func failed(name string, state gpu.State, message string) Source {
	return failedSource{Source: name, State: state, Message: message, Devices: []gpu.Device{}}
}

func (f failedSource) Read() gpu.Reading { return gpu.Reading(f) }

// stateOf says what an error of the library as a whole means.
func stateOf(ret nvml.Return) (gpu.State, string) {
	switch ret {
	case nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_UNINITIALIZED:
		return gpu.NoDriver, "the NVIDIA driver is not loaded"
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return gpu.NoLibrary, "the NVIDIA driver's library cannot be found"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return gpu.VersionMismatch, "the NVIDIA driver and its library are of different versions, as after an upgrade; restart the host, or reload the driver"
	case nvml.ERROR_NO_PERMISSION:
		return gpu.Failed, "the probe may not use the NVIDIA driver's devices"
	}
	return gpu.Failed, fmt.Sprintf("the NVIDIA driver answers with error %d", int32(ret))
}

// has reports whether the library has one of these functions.
func (s *nvmlSource) has(symbols ...string) bool {
	for _, name := range symbols {
		there, asked := s.symbols[name]
		if !asked {
			there = s.lookup(name) == nil
			s.symbols[name] = there
		}
		if there {
			return true
		}
	}
	return false
}

func (s *nvmlSource) Read() gpu.Reading {
	r := gpu.Reading{Source: s.name, State: gpu.OK, Devices: []gpu.Device{}}
	if !s.has("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount") || !s.has("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex") || !s.has("nvmlDeviceGetUUID") {
		r.State, r.Message = gpu.Failed, "the NVIDIA driver's library cannot list its GPUs"
		return r
	}
	r.Driver, r.NVML, r.CUDA = s.versions()
	count, ret := s.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		r.State, r.Message = stateOf(ret)
		return r
	}
	slow := s.slowAt.IsZero() || s.now().Sub(s.slowAt) >= slowInterval
	if slow {
		s.slowAt = s.now()
	}
	for _, c := range s.cards {
		c.seen = false
	}
	for i := range count {
		s.visit(i, slow)
	}
	for _, c := range s.cards {
		if !c.seen && c.device.Health != gpu.Lost {
			c.lose("the driver does not list it any more")
		}
		r.Devices = append(r.Devices, c.device)
	}
	return r
}

func (s *nvmlSource) versions() (driver, library, cuda string) {
	if s.has("nvmlSystemGetDriverVersion") {
		driver, _ = s.lib.SystemGetDriverVersion()
	}
	if s.has("nvmlSystemGetNVMLVersion") {
		library, _ = s.lib.SystemGetNVMLVersion()
	}
	if s.has("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion") && s.has("nvmlSystemGetCudaDriverVersion") {
		if v, ret := s.lib.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
			cuda = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
		}
	}
	return driver, library, cuda
}

// visit reads the card in one place.
func (s *nvmlSource) visit(place int, slow bool) {
	handle, ret := s.lib.DeviceGetHandleByIndex(place)
	uuid := ""
	if ret == nvml.SUCCESS {
		uuid, ret = handle.GetUUID()
	}
	if ret != nvml.SUCCESS {
		for _, c := range s.cards {
			if c.device.Index == gpu.Of(uint32(place)) && !c.seen {
				c.seen = true
				c.lose(lossOf(ret))
				return
			}
		}
		lost := &card{source: s, seen: true, device: gpu.Device{UUID: fmt.Sprintf("UNKNOWN-%d", place), Index: gpu.Of(uint32(place))}}
		lost.lose(lossOf(ret))
		s.cards = append(s.cards, lost)
		return
	}
	c := s.cardOf(uuid)
	c.seen, c.handle, c.device.Index = true, handle, gpu.Of(uint32(place))
	c.read(slow || c.device.Name == "")
}

func (s *nvmlSource) cardOf(uuid string) *card {
	for _, c := range s.cards {
		if c.device.UUID == uuid {
			return c
		}
	}
	c := &card{source: s, device: gpu.Device{UUID: uuid}, unsupported: map[string]bool{}}
	s.cards = append(s.cards, c)
	return c
}

// lossOf says why a card does not answer.
func lossOf(ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_GPU_IS_LOST:
		return "it fell off the bus; restart the host"
	case nvml.ERROR_RESET_REQUIRED:
		return "it has to be reset before it can be used again"
	}
	return fmt.Sprintf("the driver answers with error %d", int32(ret))
}

// driver's texts may be long or empty; a card always has a name.
func nameOr(name string) string { return cmp.Or(name, "NVIDIA GPU") }
