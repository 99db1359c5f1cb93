//go:build cgo

package source

import (
	"encoding/binary"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// card is one GPU, with what was read of it last.
type card struct {
	source      *nvmlSource
	handle      nvml.Device
	device      gpu.Device
	seen        bool            // in the reading at hand
	lost        string          // why it was lost in the reading at hand
	unsupported map[string]bool // functions that this card has answered to with "not supported"
}

// lose forgets what changes, and keeps what the card was.
func (c *card) lose(why string) {
	d := &c.device
	*d = gpu.Device{
		UUID: d.UUID, Index: d.Index, Name: nameOr(d.Name), Address: d.Address, Serial: d.Serial, VBIOS: d.VBIOS,
		Health: gpu.Lost, Message: why,
	}
}

func (c *card) read(slow bool) {
	c.lost = ""
	d := &c.device
	if slow || d.Health == gpu.Lost {
		c.readSlow()
	}
	c.readFast()
	if c.lost != "" {
		c.lose(c.lost)
		return
	}
	d.Health, d.Message = gpu.Healthy, ""
	if action := d.RecoveryAction; action.Known && action.V != 0 {
		d.Health, d.Message = gpu.Degraded, recovery(action.V)
	}
}

// recovery is what the driver asks for, in words.
func recovery(action uint64) string {
	words := []string{"", "the driver asks for a reset", "the driver asks for a restart of the host", "the driver asks to drain its peers", "the driver asks to drain it and reset it"}
	if action < uint64(len(words)) {
		return words[action]
	}
	return fmt.Sprintf("the driver asks for recovery action %d", action)
}

// ask calls a function of the card's if the library has it, in one of these
// versions, and the card supports it.
func ask[T any](c *card, call func() (T, nvml.Return), symbols ...string) (v gpu.Value[T]) {
	if c.lost != "" || c.unsupported[symbols[0]] || !c.source.has(symbols...) {
		return v
	}
	got, ret := call()
	switch ret {
	case nvml.SUCCESS:
		return gpu.Of(got)
	case nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_FUNCTION_NOT_FOUND:
		c.unsupported[symbols[0]] = true
	case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED:
		c.lost = lossOf(ret)
	}
	return v
}

func (c *card) readFast() {
	d, h := &c.device, c.handle
	rates := ask(c, h.GetUtilizationRates, "nvmlDeviceGetUtilizationRates")
	d.UtilizationPercent = gpu.Value[uint32]{V: rates.V.Gpu, Known: rates.Known}
	d.MemoryControllerPercent = gpu.Value[uint32]{V: rates.V.Memory, Known: rates.Known}
	c.readMemory()
	d.TemperatureCelsius = ask(c, func() (uint32, nvml.Return) { return h.GetTemperature(nvml.TEMPERATURE_GPU) }, "nvmlDeviceGetTemperature") //nolint:staticcheck // the one that drivers before 570 have too
	d.PowerMilliwatts = ask(c, h.GetPowerUsage, "nvmlDeviceGetPowerUsage")
	d.SMClockMHz = ask(c, func() (uint32, nvml.Return) { return h.GetClockInfo(nvml.CLOCK_SM) }, "nvmlDeviceGetClockInfo")
	d.MemoryClockMHz = ask(c, func() (uint32, nvml.Return) { return h.GetClockInfo(nvml.CLOCK_MEM) }, "nvmlDeviceGetClockInfo")
	p := ask(c, h.GetPerformanceState, "nvmlDeviceGetPerformanceState")
	d.PState = gpu.Value[uint32]{V: uint32(p.V), Known: p.Known && p.V != nvml.PSTATE_UNKNOWN}
	if c.source.has("nvmlDeviceGetCurrentClocksEventReasons") {
		d.ThrottleReasons = ask(c, h.GetCurrentClocksEventReasons, "nvmlDeviceGetCurrentClocksEventReasons")
	} else {
		d.ThrottleReasons = ask(c, h.GetCurrentClocksThrottleReasons, "nvmlDeviceGetCurrentClocksThrottleReasons") //nolint:staticcheck // of older drivers
	}
	c.readFields()
}

// readMemory prefers the version that tells what is reserved from what is used.
// The two are never mixed.
func (c *card) readMemory() {
	d := &c.device
	var total, used, reserved gpu.Value[uint64]
	if m := ask(c, c.handle.GetMemoryInfo_v2, "nvmlDeviceGetMemoryInfo_v2"); m.Known {
		total, used, reserved = gpu.Of(m.V.Total), gpu.Of(m.V.Used), gpu.Of(m.V.Reserved)
	} else if m := ask(c, c.handle.GetMemoryInfo, "nvmlDeviceGetMemoryInfo"); m.Known {
		total, used = gpu.Of(m.V.Total), gpu.Of(m.V.Used)
	}
	d.MemoryTotalBytes, d.MemoryUsedBytes, d.MemoryReservedBytes = total, used, reserved
}

// readFields reads in one call what has no function of its own.
func (c *card) readFields() {
	d := &c.device
	fields := [...]nvml.FieldValue{
		{FieldId: nvml.FI_DEV_MEMORY_TEMP}, {FieldId: nvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION}, {FieldId: nvml.FI_DEV_GET_GPU_RECOVERY_ACTION},
	}
	got := ask(c, func() (struct{}, nvml.Return) { return struct{}{}, c.handle.GetFieldValues(fields[:]) }, "nvmlDeviceGetFieldValues")
	field := func(i int) (v gpu.Value[uint64]) {
		if got.Known && nvml.Return(fields[i].NvmlReturn) == nvml.SUCCESS {
			v = gpu.Of(binary.NativeEndian.Uint64(fields[i].Value[:]))
			if t := nvml.ValueType(fields[i].ValueType); t == nvml.VALUE_TYPE_UNSIGNED_INT || t == nvml.VALUE_TYPE_SIGNED_INT {
				v.V = uint64(uint32(v.V))
			}
		}
		return v
	}
	heat := field(0)
	d.MemoryTemperatureCelsius = gpu.Value[uint32]{V: uint32(heat.V), Known: heat.Known}
	d.EnergyMillijoules, d.RecoveryAction = field(1), field(2)
}

func (c *card) readSlow() {
	d, h := &c.device, c.handle
	d.Name = nameOr(ask(c, h.GetName, "nvmlDeviceGetName").V)
	d.Serial = ask(c, h.GetSerial, "nvmlDeviceGetSerial").V
	d.VBIOS = ask(c, h.GetVbiosVersion, "nvmlDeviceGetVbiosVersion").V
	if pci := ask(c, h.GetPciInfo, "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"); pci.Known {
		d.Address = fmt.Sprintf("%04x:%02x:%02x.0", pci.V.Domain, pci.V.Bus, pci.V.Device)
	}
	threshold := func(which nvml.TemperatureThresholds) gpu.Value[uint32] {
		return ask(c, func() (uint32, nvml.Return) { return h.GetTemperatureThreshold(which) }, "nvmlDeviceGetTemperatureThreshold")
	}
	d.SlowdownCelsius, d.ShutdownCelsius = threshold(nvml.TEMPERATURE_THRESHOLD_SLOWDOWN), threshold(nvml.TEMPERATURE_THRESHOLD_SHUTDOWN)
	d.PowerLimitMilliwatts = ask(c, h.GetEnforcedPowerLimit, "nvmlDeviceGetEnforcedPowerLimit")
	d.SMClockMaxMHz = ask(c, func() (uint32, nvml.Return) { return h.GetMaxClockInfo(nvml.CLOCK_SM) }, "nvmlDeviceGetMaxClockInfo")
	d.MemoryClockMaxMHz = ask(c, func() (uint32, nvml.Return) { return h.GetMaxClockInfo(nvml.CLOCK_MEM) }, "nvmlDeviceGetMaxClockInfo")
	d.PCIeGeneration = whole(ask(c, h.GetCurrPcieLinkGeneration, "nvmlDeviceGetCurrPcieLinkGeneration"))
	d.PCIeWidth = whole(ask(c, h.GetCurrPcieLinkWidth, "nvmlDeviceGetCurrPcieLinkWidth"))
	d.PCIeWidthMax = whole(ask(c, h.GetMaxPcieLinkWidth, "nvmlDeviceGetMaxPcieLinkWidth"))
	ecc := func(kind nvml.MemoryErrorType) gpu.Value[uint64] {
		return ask(c, func() (uint64, nvml.Return) { return h.GetTotalEccErrors(kind, nvml.AGGREGATE_ECC) }, "nvmlDeviceGetTotalEccErrors")
	}
	d.ECCCorrected, d.ECCUncorrected = ecc(nvml.MEMORY_ERROR_TYPE_CORRECTED), ecc(nvml.MEMORY_ERROR_TYPE_UNCORRECTED)
	c.readFans()
	c.readProcesses()
	c.readParts()
}

func whole(v gpu.Value[int]) gpu.Value[uint32] {
	return gpu.Value[uint32]{V: uint32(v.V), Known: v.Known && v.V >= 0}
}

func (c *card) readFans() {
	c.device.Fans = nil
	for i := range ask(c, c.handle.GetNumFans, "nvmlDeviceGetNumFans").V {
		speed := ask(c, func() (uint32, nvml.Return) { return c.handle.GetFanSpeed_v2(i) }, "nvmlDeviceGetFanSpeed_v2")
		if speed.Known {
			c.device.Fans = append(c.device.Fans, gpu.Fan{Percent: speed.V})
		}
	}
}

// unknownMemory is what the driver says where it cannot tell what a process has.
const unknownMemory = ^uint64(0)

func (c *card) readProcesses() {
	c.device.Processes = nil
	for _, p := range ask(c, c.handle.GetComputeRunningProcesses, "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses").V {
		row := gpu.Process{PID: p.Pid, Kind: gpu.Compute}
		if p.UsedGpuMemory != unknownMemory {
			row.MemoryBytes = gpu.Of(p.UsedGpuMemory)
		}
		c.device.Processes = append(c.device.Processes, row)
	}
}

func (c *card) readParts() {
	d := &c.device
	d.Parts = nil
	mode := ask(c, func() (int, nvml.Return) {
		current, _, ret := c.handle.GetMigMode()
		return current, ret
	}, "nvmlDeviceGetMigMode")
	d.MIG = gpu.Value[bool]{V: mode.V == nvml.DEVICE_MIG_ENABLE, Known: mode.Known}
	if !d.MIG.V {
		return
	}
	for i := range ask(c, c.handle.GetMaxMigDeviceCount, "nvmlDeviceGetMaxMigDeviceCount").V {
		part := ask(c, func() (nvml.Device, nvml.Return) { return c.handle.GetMigDeviceHandleByIndex(i) }, "nvmlDeviceGetMigDeviceHandleByIndex")
		if !part.Known {
			continue // a place where no part is
		}
		row := gpu.Part{UUID: ask(c, part.V.GetUUID, "nvmlDeviceGetUUID").V, Name: ask(c, part.V.GetName, "nvmlDeviceGetName").V}
		if m := ask(c, part.V.GetMemoryInfo, "nvmlDeviceGetMemoryInfo"); m.Known {
			row.MemoryTotalBytes = gpu.Of(m.V.Total)
		}
		d.Parts = append(d.Parts, row)
	}
}
