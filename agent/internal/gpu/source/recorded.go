//go:build cgo

package source

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh200"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// openRecorded returns a machine of go-nvml's, which has identities alone, with
// readings as such cards give them while they serve.
func openRecorded(machine string) (Source, error) {
	var s *server.Server
	var limit uint32 // milliwatts
	switch machine {
	case "dgxa100":
		s, limit = dgxa100.New(), 400_000
	case "dgxh100":
		s, limit = dgxh100.New(), 700_000
	default:
		s, limit = dgxh200.New(), 700_000
	}
	for i := range s.Devices {
		if d, ok := s.Devices[i].(*server.Device); ok {
			record(d, machine, limit)
		}
	}
	return newNVML(RecordedPrefix+machine, s, s.LookupSymbol), nil
}

// record gives a card its readings. They differ from card to card and move from
// reading to reading.
func record(d *server.Device, machine string, limit uint32) {
	at := uint32(d.Index) * 7
	busy := func() uint32 { return triangle(at, 60) }
	d.UUID = fmt.Sprintf("GPU-%s-0000-0000-0000-%012d", machine, d.Index)
	total := d.MemoryInfo.Total
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) {
		at++
		return nvml.Utilization{Gpu: busy(), Memory: busy() / 2}, nvml.SUCCESS
	}
	d.GetMemoryInfo_v2Func = func() (nvml.Memory_v2, nvml.Return) {
		reserved := uint64(600 << 20)
		used := total/4 + uint64(busy())<<27
		return nvml.Memory_v2{Total: total, Reserved: reserved, Used: used, Free: total - reserved - used}, nvml.SUCCESS
	}
	d.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 32 + busy()/3, nvml.SUCCESS }
	d.GetPowerUsageFunc = func() (uint32, nvml.Return) { return limit/6 + limit/200*busy(), nvml.SUCCESS }
	d.GetClockInfoFunc = func(kind nvml.ClockType) (uint32, nvml.Return) {
		if kind == nvml.CLOCK_MEM {
			return 2619, nvml.SUCCESS
		}
		return 345 + 16*busy(), nvml.SUCCESS
	}
	d.GetMaxClockInfoFunc = func(kind nvml.ClockType) (uint32, nvml.Return) {
		if kind == nvml.CLOCK_MEM {
			return 2619, nvml.SUCCESS
		}
		return 1980, nvml.SUCCESS
	}
	d.GetPerformanceStateFunc = func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_0, nvml.SUCCESS }
	d.GetCurrentClocksEventReasonsFunc = func() (uint64, nvml.Return) { return 0, nvml.SUCCESS }
	d.GetFieldValuesFunc = func(fields []nvml.FieldValue) nvml.Return {
		for i := range fields {
			fields[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
		}
		return nvml.SUCCESS
	}
	recordConstants(d, limit)
}

// recordConstants gives a card what does not move. Such machines cool their
// cards with fans of their own.
func recordConstants(d *server.Device, limit uint32) {
	number := func(n int) func() (int, nvml.Return) { return func() (int, nvml.Return) { return n, nvml.SUCCESS } }
	text := func(s string) func() (string, nvml.Return) {
		return func() (string, nvml.Return) { return s, nvml.SUCCESS }
	}
	d.GetSerialFunc, d.GetVbiosVersionFunc = text(fmt.Sprintf("16530230%05d", d.Index)), text("96.00.99.00.01")
	d.GetPciInfoFunc = func() (nvml.PciInfo, nvml.Return) {
		return nvml.PciInfo{Bus: uint32(0x18 + 0x10*d.Index), PciDeviceId: d.Config.PciDeviceId}, nvml.SUCCESS
	}
	d.GetTemperatureThresholdFunc = func(which nvml.TemperatureThresholds) (uint32, nvml.Return) {
		switch which {
		case nvml.TEMPERATURE_THRESHOLD_SLOWDOWN:
			return 89, nvml.SUCCESS
		case nvml.TEMPERATURE_THRESHOLD_SHUTDOWN:
			return 92, nvml.SUCCESS
		}
		return 0, nvml.ERROR_NOT_SUPPORTED
	}
	d.GetEnforcedPowerLimitFunc = func() (uint32, nvml.Return) { return limit, nvml.SUCCESS }
	d.GetCurrPcieLinkGenerationFunc, d.GetCurrPcieLinkWidthFunc, d.GetMaxPcieLinkWidthFunc = number(5), number(16), number(16)
	d.GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) { return 0, nvml.SUCCESS }
	d.GetNumFansFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	d.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) { return nil, nvml.SUCCESS }
}
