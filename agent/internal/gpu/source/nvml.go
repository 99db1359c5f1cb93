//go:build cgo

package source

import (
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/library"
)

// slowInterval is how often that is read which changes seldom or costs much, and
// how often it is looked for cards that came, went or answer again.
const slowInterval = 10 * time.Second

// nvmlSource reads through NVIDIA's library. The library is loaded and begun
// with at the first reading. Where the driver fails it stays so: what is loaded
// belongs to one driver, and only a new process can load another.
type nvmlSource struct {
	name string
	host Host
	lib  nvml.Interface
	load func() (path string, ok bool)
	now  func() time.Time

	begun  bool        // the library may be called
	absent bool        // the library could not be loaded
	broken nvml.Return // what the driver as a whole answered with, or SUCCESS
	file   string      // where the library was found
	bus    bus
	cards  []*card      // in the order in which they were found; those that are gone stay, as lost
	strays []gpu.Device // that are there and of which no more is known
	count  int          // of cards, when it was looked for them last
	faults faults

	slowAt                        time.Time
	driver, kernelModule, version string
	replaced                      bool // the library on disk is not the driver's
	cuda                          string
	cudaAsked                     <-chan string
}

func openNVML(host Host) (Source, error) {
	return newNVML("nvml", host, nvml.New(nvml.WithLibraryPath(host.Library)), func() (string, bool) { return library.Open(host.Library) }), nil
}

func newNVML(name string, host Host, lib nvml.Interface, load func() (string, bool)) *nvmlSource {
	return &nvmlSource{
		name: name, host: host, lib: lib, load: load, now: time.Now,
		bus: bus{sys: host.Sys}, faults: faults{lib: lib, path: host.Log, after: host.LogAfter},
	}
}

func (s *nvmlSource) Read(into *gpu.Reading) {
	blank(into, s.name)
	now := s.now()
	slow := s.slowAt.IsZero() || now.Sub(s.slowAt) >= slowInterval
	if slow {
		s.slowAt = now
		s.bus.scan()
		s.kernelModule = kernelModule(s.host.Proc)
	}
	into.KernelModule = s.kernelModule
	if !s.begun && slow {
		s.begin()
	}
	if s.begun && s.broken == nvml.SUCCESS {
		s.ask(slow)
	}
	switch {
	case s.absent:
		into.State, into.Message = gpu.NoLibrary, "the NVIDIA driver's library, "+s.host.Library+", cannot be loaded"
	case s.broken != nvml.SUCCESS:
		into.State, into.Message = stateOf(s.broken, s.kernelModule)
	}
	into.Driver, into.NVML, into.CUDA = s.driver, s.version, s.cuda
	s.list(into)
	s.faults.read(into, now)
	into.Conditions = s.conditions(into.Conditions, into.State)
}

// begin loads the library and begins with it, unless that would wake up cards
// that are all asleep.
func (s *nvmlSource) begin() {
	if n := len(s.bus.cards); n > 0 && s.bus.asleep() == n {
		return
	}
	file, ok := s.load()
	if s.absent = !ok; s.absent {
		return
	}
	s.file, s.begun = file, true
	if ret := s.lib.Init(); ret != nvml.SUCCESS {
		s.fail(ret)
	}
}

// ask asks the driver.
func (s *nvmlSource) ask(slow bool) {
	if slow {
		s.versions()
	}
	if s.broken == nvml.SUCCESS {
		count, ret := s.lib.DeviceGetCount()
		switch {
		case ret != nvml.SUCCESS:
			s.fail(ret)
		case slow || count != s.count:
			s.look(count)
		}
	}
	for _, c := range s.cards {
		if s.broken == nvml.SUCCESS {
			c.read(slow)
		}
	}
}

// fail notes that the driver as a whole does not work.
func (s *nvmlSource) fail(ret nvml.Return) { s.broken = ret }

// stateOf says what an error of the driver as a whole means.
func stateOf(ret nvml.Return, kernelModule string) (gpu.State, string) {
	switch ret {
	case nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_UNINITIALIZED:
		return gpu.NoDriver, "the NVIDIA driver is not loaded"
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return gpu.NoLibrary, "the NVIDIA driver's library cannot be found"
	case nvml.ERROR_FUNCTION_NOT_FOUND:
		return gpu.NoLibrary, "the NVIDIA driver's library is not NVIDIA's, or far too old: it lacks what lists the GPUs"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		if kernelModule != "" {
			kernelModule = " (" + kernelModule + ")"
		}
		return gpu.VersionMismatch, "the NVIDIA driver in the kernel" + kernelModule + " and its library are of different versions, as after an upgrade; restart the host, or reload the driver"
	case nvml.ERROR_NO_PERMISSION:
		return gpu.Failed, "the probe may not use the NVIDIA driver's devices"
	}
	return gpu.Failed, fmt.Sprintf("the NVIDIA driver answers with error %d", int32(ret))
}

// versions asks for the versions. Where the driver is another one than before,
// it may support what the one before did not.
func (s *nvmlSource) versions() {
	driver, ret := s.lib.SystemGetDriverVersion()
	if ret == nvml.ERROR_LIB_RM_VERSION_MISMATCH {
		s.fail(ret)
		return
	}
	if driver != s.driver {
		for _, c := range s.cards {
			c.forget()
		}
	}
	s.driver = driver
	s.version, _ = s.lib.SystemGetNVMLVersion()
	s.askCUDA()
	onDisk := libraryVersion(s.file)
	s.replaced = onDisk != "" && s.kernelModule != "" && onDisk != s.kernelModule
}

// conditions appends what an operator should know.
func (s *nvmlSource) conditions(dst []gpu.Condition, state gpu.State) []gpu.Condition {
	if s.faults.logError != "" {
		dst = append(dst, gpu.Condition{Code: gpu.LogUnreadable, Message: s.faults.logError})
	}
	if state == gpu.OK && len(s.cards) > 0 && !s.faults.registered() {
		dst = append(dst, gpu.Condition{Code: gpu.NoDriverEvents, Message: "the driver does not report faults of its cards; those in the kernel log are seen"})
	}
	if s.replaced {
		dst = append(dst, gpu.Condition{Code: gpu.DriverReplaced, Message: "the NVIDIA driver on disk is of another version than the one in the kernel; what starts now may not find the GPUs until the host is restarted or the driver reloaded"})
	}
	return dst
}

// list lists the cards, and those that the bus has and the driver does not.
func (s *nvmlSource) list(into *gpu.Reading) {
	if s.broken != nvml.SUCCESS {
		s.strays = s.strays[:0] // the bus has them, too
		for _, c := range s.cards {
			c.lose(gpu.Undriven, into.Message)
		}
	}
	for _, c := range s.cards {
		into.Devices = append(into.Devices, c.device)
	}
	into.Devices = append(into.Devices, s.strays...)
	if s.begun && s.broken == nvml.SUCCESS {
		return
	}
	for i := range s.bus.cards {
		if p := &s.bus.cards[i]; s.cardAt(p.address) == nil {
			into.Devices = append(into.Devices, undriven(p, into.Message))
		}
	}
}
