//go:build cgo

package source

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// readSeldom reads what does not move, moves slowly or costs much.
func (c *card) readSeldom() {
	d, h := &c.device, c.handle
	c.readMIG() // first, as what the card supports depends on it
	c.readIdentity()
	d.SlowdownCelsius = c.threshold("slowdown_celsius", nvml.TEMPERATURE_THRESHOLD_SLOWDOWN)
	d.ShutdownCelsius = c.threshold("shutdown_celsius", nvml.TEMPERATURE_THRESHOLD_SHUTDOWN)
	d.MaxCelsius = c.threshold("max_celsius", nvml.TEMPERATURE_THRESHOLD_GPU_MAX)
	d.MemoryMaxCelsius = c.threshold("memory_max_celsius", nvml.TEMPERATURE_THRESHOLD_MEM_MAX)
	d.MarginCelsius = ask(c, "margin_celsius", func() (int32, nvml.Return) {
		m, ret := h.GetMarginTemperature()
		return m.MarginTemperature, ret
	})
	c.readPowerLimits()
	d.GraphicsClockMHz = c.clock("graphics_clock_mhz", nvml.CLOCK_GRAPHICS)
	d.VideoClockMHz = c.clock("video_clock_mhz", nvml.CLOCK_VIDEO)
	d.SMClockMaxMHz = c.maxClock("sm_clock_max_mhz", nvml.CLOCK_SM)
	d.MemoryClockMaxMHz = c.maxClock("memory_clock_max_mhz", nvml.CLOCK_MEM)
	d.GraphicsClockMaxMHz = c.maxClock("graphics_clock_max_mhz", nvml.CLOCK_GRAPHICS)
	d.VideoClockMaxMHz = c.maxClock("video_clock_max_mhz", nvml.CLOCK_VIDEO)
	d.PCIeGeneration = whole(ask(c, "pcie_generation", h.GetCurrPcieLinkGeneration))
	d.PCIeGenerationMax = whole(ask(c, "pcie_generation_max", h.GetMaxPcieLinkGeneration))
	d.PCIeWidth = whole(ask(c, "pcie_width", h.GetCurrPcieLinkWidth))
	d.PCIeWidthMax = whole(ask(c, "pcie_width_max", h.GetMaxPcieLinkWidth))
	persistence := ask(c, "persistence", h.GetPersistenceMode)
	d.Persistence = gpu.If(persistence.Known, persistence.V == nvml.FEATURE_ENABLED)
	c.fields.read(c)
	c.readFans()
	c.readProcesses()
	c.source.faults.register(c)
}

func (c *card) readIdentity() {
	d, h := &c.device, c.handle
	d.Name = nameOr(ask(c, "name", h.GetName).V)
	d.Serial = ask(c, "serial", h.GetSerial).V
	d.VBIOS = ask(c, "vbios", h.GetVbiosVersion).V
	c.readAddress()
	d.Architecture = architecture(ask(c, "architecture", h.GetArchitecture))
	if v := ask(c, "compute_capability", func() ([2]int, nvml.Return) {
		major, minor, ret := h.GetCudaComputeCapability()
		return [2]int{major, minor}, ret
	}); v.Known {
		d.ComputeCapability = fmt.Sprintf("%d.%d", v.V[0], v.V[1])
	}
}

func (c *card) readAddress() {
	if pci := ask(c, "pci_address", c.handle.GetPciInfo); pci.Known {
		c.device.Address = fmt.Sprintf("%04x:%02x:%02x.0", pci.V.Domain, pci.V.Bus, pci.V.Device)
	}
}

func architecture(v gpu.Value[nvml.DeviceArchitecture]) string {
	if !v.Known {
		return ""
	}
	return map[nvml.DeviceArchitecture]string{
		nvml.DEVICE_ARCH_KEPLER: "Kepler", nvml.DEVICE_ARCH_MAXWELL: "Maxwell", nvml.DEVICE_ARCH_PASCAL: "Pascal",
		nvml.DEVICE_ARCH_VOLTA: "Volta", nvml.DEVICE_ARCH_TURING: "Turing", nvml.DEVICE_ARCH_AMPERE: "Ampere",
		nvml.DEVICE_ARCH_ADA: "Ada", nvml.DEVICE_ARCH_HOPPER: "Hopper", nvml.DEVICE_ARCH_BLACKWELL: "Blackwell",
		nvml.DEVICE_ARCH_RUBIN: "Rubin",
	}[v.V]
}

func (c *card) threshold(field string, which nvml.TemperatureThresholds) gpu.Value[uint32] {
	return ask(c, field, func() (uint32, nvml.Return) { return c.handle.GetTemperatureThreshold(which) })
}

func (c *card) maxClock(field string, kind nvml.ClockType) gpu.Value[uint32] {
	return ask(c, field, func() (uint32, nvml.Return) { return c.handle.GetMaxClockInfo(kind) })
}

func (c *card) readPowerLimits() {
	d, h := &c.device, c.handle
	d.PowerLimitMilliwatts = ask(c, "power_limit_mw", h.GetEnforcedPowerLimit)
	d.PowerDefaultMilliwatts = ask(c, "power_limit_default_mw", h.GetPowerManagementDefaultLimit)
	limits := ask(c, "power_limit_min_mw", func() ([2]uint32, nvml.Return) {
		lowest, highest, ret := h.GetPowerManagementLimitConstraints()
		return [2]uint32{lowest, highest}, ret
	})
	d.PowerMinMilliwatts = gpu.If(limits.Known, limits.V[0])
	d.PowerMaxMilliwatts = gpu.If(limits.Known, limits.V[1])
	c.alike("power_limit_max_mw", "power_limit_min_mw")
}

func whole(v gpu.Value[int]) gpu.Value[uint32] {
	return gpu.If(v.Known && v.V >= 0, uint32(v.V))
}

func (c *card) readFans() {
	d := &c.device
	d.Fans = d.Fans[:0]
	for i := range ask(c, "fans", c.handle.GetNumFans).V {
		if speed := ask(c, fmt.Sprintf("#fan %d", i), func() (uint32, nvml.Return) { return c.handle.GetFanSpeed_v2(i) }); speed.Known {
			d.Fans = append(d.Fans, gpu.Fan{Percent: speed.V})
		}
	}
}

// unknownMemory is what the driver says where it cannot tell what a process has,
// and noInstance where a process has the whole card.
const (
	unknownMemory = ^uint64(0)
	noInstance    = ^uint32(0)
)

// modelBytes is so much memory that its coming or going is a process's, or a
// model's, and not that of a request.
const modelBytes = 64 << 20

// memoryMoved reports whether the processes are others than when they were read.
func (c *card) memoryMoved() bool {
	used := c.device.MemoryUsedBytes
	return used.Known && max(used.V, c.used)-min(used.V, c.used) >= modelBytes
}

func (c *card) readProcesses() {
	d := &c.device
	c.used = d.MemoryUsedBytes.V
	d.Processes = d.Processes[:0]
	for _, p := range ask(c, "processes", c.handle.GetComputeRunningProcesses).V {
		d.Processes = append(d.Processes, process(&p, gpu.Compute))
	}
	for _, p := range ask(c, "#graphics processes", c.handle.GetGraphicsRunningProcesses).V {
		d.Processes = append(d.Processes, process(&p, gpu.Graphics))
	}
}

func process(p *nvml.ProcessInfo, kind gpu.ProcessKind) gpu.Process {
	return gpu.Process{
		PID: p.Pid, Kind: kind,
		MemoryBytes:     gpu.If(p.UsedGpuMemory != unknownMemory, p.UsedGpuMemory),
		GPUInstance:     gpu.If(p.GpuInstanceId != noInstance, p.GpuInstanceId),
		ComputeInstance: gpu.If(p.ComputeInstanceId != noInstance, p.ComputeInstanceId),
	}
}
