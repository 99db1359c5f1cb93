//go:build cgo

package source

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh200"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// kind is what cards of one kind are like where the binding's machines, which
// have identities alone, do not say it.
type kind struct {
	limit    uint32 // milliwatts
	lowest   uint32 // that the limit can be set to
	sm, mem  uint32 // clocks, MHz
	pcie     int    // generation
	slowdown uint32 // degrees Celsius
}

// openMachine returns a machine of the binding's with readings as such cards give
// them while they serve.
func openMachine(machine string) (Source, error) {
	var s *server.Server
	k := kind{limit: 700_000, lowest: 200_000, sm: 1980, mem: 2619, pcie: 5, slowdown: 89}
	switch machine {
	case "dgxa100":
		s, k = dgxa100.New(), kind{limit: 400_000, lowest: 100_000, sm: 1410, mem: 1593, pcie: 4, slowdown: 92}
	case "dgxh100":
		s = dgxh100.New()
	default:
		s, k.mem = dgxh200.New(), 3201
	}
	for i := range s.Devices {
		if d, ok := s.Devices[i].(*server.Device); ok {
			(&load{device: d, kind: k, at: uint32(d.Index) * 7, begun: time.Now()}).record(machine)
		}
	}
	s.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) { return &mock.EventSet{}, nvml.SUCCESS }
	s.EventSetWaitFunc = func(nvml.EventSet, uint32) (nvml.EventData, nvml.Return) {
		return nvml.EventData{}, nvml.ERROR_TIMEOUT
	}
	return newNVML(RecordedPrefix+machine, Host{}, s, func() (string, bool) { return "", true }), nil
}

// load is what a card has to do. It differs from card to card and moves from
// reading to reading.
type load struct {
	device *server.Device
	kind   kind
	at     uint32
	begun  time.Time
	energy uint64 // millijoules
}

// busy is in percent.
func (l *load) busy() uint32 { return triangle(l.at, 60) }

func (l *load) power() uint32 { return l.kind.limit/6 + l.kind.limit/200*l.busy() }

// heat is that of the processor; memory is warmer.
func (l *load) heat() uint32 { return 32 + l.busy()/3 }

func (l *load) record(machine string) {
	d := l.device
	d.UUID = fmt.Sprintf("GPU-%s-0000-0000-0000-%012d", machine, d.Index)
	l.recordLoad(d)
	l.recordFields(d)
	l.recordLimits(d)
	recordConstants(d, l.kind)
	recordProcesses(d)
}

func (l *load) recordLoad(d *server.Device) {
	total := d.MemoryInfo.Total
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) {
		l.at++ // it is read once in each reading
		return nvml.Utilization{Gpu: l.busy(), Memory: l.busy() / 2}, nvml.SUCCESS
	}
	d.GetMemoryInfo_v2Func = func() (nvml.Memory_v2, nvml.Return) {
		reserved := uint64(600 << 20)
		used := total/4 + uint64(l.busy())<<27
		return nvml.Memory_v2{Total: total, Reserved: reserved, Used: used, Free: total - reserved - used}, nvml.SUCCESS
	}
	d.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return l.heat(), nvml.SUCCESS }
	d.GetPowerUsageFunc = func() (uint32, nvml.Return) { return l.power(), nvml.SUCCESS }
	d.GetClockInfoFunc = func(which nvml.ClockType) (uint32, nvml.Return) {
		if which == nvml.CLOCK_MEM {
			return l.kind.mem, nvml.SUCCESS
		}
		return 345 + (l.kind.sm-345)/100*l.busy(), nvml.SUCCESS
	}
	d.GetPerformanceStateFunc = func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_0, nvml.SUCCESS }
	d.GetCurrentClocksEventReasonsFunc = func() (uint64, nvml.Return) {
		if l.busy() == 0 {
			return nvml.ClocksEventReasonGpuIdle, nvml.SUCCESS
		}
		return 0, nvml.SUCCESS
	}
}

// recordFields answers for the fields that have numbers.
func (l *load) recordFields(d *server.Device) {
	d.GetFieldValuesFunc = func(fields []nvml.FieldValue) nvml.Return {
		for i := range fields {
			f := &fields[i]
			f.NvmlReturn, f.ValueType = uint32(nvml.SUCCESS), uint32(nvml.VALUE_TYPE_UNSIGNED_LONG_LONG)
			v := uint64(0) // errors, times of low clocks, actions to be taken
			switch f.FieldId {
			case nvml.FI_DEV_MEMORY_TEMP:
				v = uint64(l.heat() + 6)
			case nvml.FI_DEV_POWER_INSTANT:
				v = uint64(l.power())
			case nvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION:
				l.energy = max(l.energy, uint64(time.Since(l.begun).Seconds()*float64(l.kind.limit)/2))
				v = l.energy
			case nvml.FI_DEV_ECC_CURRENT:
				v = 1
			}
			binary.NativeEndian.PutUint64(f.Value[:], v)
		}
		return nvml.SUCCESS
	}
}

func (l *load) recordLimits(d *server.Device) {
	d.GetMaxClockInfoFunc = func(which nvml.ClockType) (uint32, nvml.Return) {
		if which == nvml.CLOCK_MEM {
			return l.kind.mem, nvml.SUCCESS
		}
		return l.kind.sm, nvml.SUCCESS
	}
	d.GetTemperatureThresholdFunc = func(which nvml.TemperatureThresholds) (uint32, nvml.Return) {
		above := map[nvml.TemperatureThresholds]uint32{
			nvml.TEMPERATURE_THRESHOLD_SLOWDOWN: 0, nvml.TEMPERATURE_THRESHOLD_SHUTDOWN: 3, nvml.TEMPERATURE_THRESHOLD_MEM_MAX: 6,
		}
		if n, known := above[which]; known {
			return l.kind.slowdown + n, nvml.SUCCESS
		}
		return 0, nvml.ERROR_NOT_SUPPORTED
	}
	d.GetMarginTemperatureFunc = func() (nvml.MarginTemperature, nvml.Return) {
		return nvml.MarginTemperature{MarginTemperature: int32(l.kind.slowdown - l.heat())}, nvml.SUCCESS
	}
	limit := func() (uint32, nvml.Return) { return l.kind.limit, nvml.SUCCESS }
	d.GetEnforcedPowerLimitFunc, d.GetPowerManagementDefaultLimitFunc = limit, limit
	d.GetPowerManagementLimitConstraintsFunc = func() (uint32, uint32, nvml.Return) {
		return l.kind.lowest, l.kind.limit, nvml.SUCCESS
	}
}

// recordConstants gives a card what does not move. Such machines cool their
// cards with fans of their own.
func recordConstants(d *server.Device, k kind) {
	number := func(n int) func() (int, nvml.Return) { return func() (int, nvml.Return) { return n, nvml.SUCCESS } }
	text := func(s string) func() (string, nvml.Return) {
		return func() (string, nvml.Return) { return s, nvml.SUCCESS }
	}
	d.GetSerialFunc, d.GetVbiosVersionFunc = text(fmt.Sprintf("16530230%05d", d.Index)), text("96.00.99.00.01")
	d.GetPciInfoFunc = func() (nvml.PciInfo, nvml.Return) {
		return nvml.PciInfo{Bus: uint32(0x18 + 0x10*d.Index), PciDeviceId: d.Config.PciDeviceId}, nvml.SUCCESS
	}
	d.GetCurrPcieLinkGenerationFunc, d.GetMaxPcieLinkGenerationFunc = number(k.pcie), number(k.pcie)
	d.GetCurrPcieLinkWidthFunc, d.GetMaxPcieLinkWidthFunc = number(16), number(16)
	d.GetPersistenceModeFunc = func() (nvml.EnableState, nvml.Return) { return nvml.FEATURE_ENABLED, nvml.SUCCESS }
	d.GetNumFansFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	d.RegisterEventsFunc = func(uint64, nvml.EventSet) nvml.Return { return nvml.SUCCESS }
	d.GetSupportedEventTypesFunc = func() (uint64, nvml.Return) { return nvml.EventTypeXidCriticalError, nvml.SUCCESS }
}

// recordProcesses gives a card the process of a model that is loaded. It is none
// of the host that looks at the recording.
func recordProcesses(d *server.Device) {
	used := d.MemoryInfo.Total / 4
	d.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) {
		return []nvml.ProcessInfo{{Pid: recordedPID + uint32(d.Index), UsedGpuMemory: used, GpuInstanceId: noInstance, ComputeInstanceId: noInstance}}, nvml.SUCCESS
	}
	d.GetGraphicsRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) { return nil, nvml.SUCCESS }
}
