//go:build cgo

package source

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// kind is what cards of one kind are like.
type kind struct {
	limit    uint32 // milliwatts
	lowest   uint32 // that the limit can be set to
	sm, mem  uint32 // clocks, MHz
	pcie     int    // generation
	slowdown uint32 // degrees Celsius
}

// loaded is a card that works. Its load differs from card to card and moves from
// reading to reading.
type loaded struct {
	*server.Device
	kind   kind
	at     uint32
	begun  time.Time
	energy uint64 // millijoules
}

// busy is in percent.
func (l *loaded) busy() uint32 { return triangle(l.at, 60) }

func (l *loaded) power() uint32 { return l.kind.limit/6 + l.kind.limit/200*l.busy() }

// heat is that of the processor; memory is warmer.
func (l *loaded) heat() uint32 { return 32 + l.busy()/3 }

func (l *loaded) GetUtilizationRates() (nvml.Utilization, nvml.Return) {
	l.at++ // it is asked for once in each reading
	return nvml.Utilization{Gpu: l.busy(), Memory: l.busy() / 2}, nvml.SUCCESS
}

func (l *loaded) GetMemoryInfo_v2() (nvml.Memory_v2, nvml.Return) { //nolint:staticcheck // the name is the binding's
	total, reserved := l.MemoryInfo.Total, uint64(600<<20)
	used := total/4 + uint64(l.busy())<<18
	return nvml.Memory_v2{Total: total, Reserved: reserved, Used: used, Free: total - reserved - used}, nvml.SUCCESS
}

func (l *loaded) GetTemperature(nvml.TemperatureSensors) (uint32, nvml.Return) {
	return l.heat(), nvml.SUCCESS
}

func (l *loaded) GetPowerUsage() (uint32, nvml.Return) { return l.power(), nvml.SUCCESS }

func (l *loaded) GetClockInfo(which nvml.ClockType) (uint32, nvml.Return) {
	if which == nvml.CLOCK_MEM {
		return l.kind.mem, nvml.SUCCESS
	}
	return 345 + (l.kind.sm-345)/100*l.busy(), nvml.SUCCESS
}

func (l *loaded) GetPerformanceState() (nvml.Pstates, nvml.Return) {
	return nvml.PSTATE_0, nvml.SUCCESS
}

func (l *loaded) GetCurrentClocksEventReasons() (uint64, nvml.Return) {
	if l.busy() == 0 {
		return nvml.ClocksEventReasonGpuIdle, nvml.SUCCESS
	}
	return 0, nvml.SUCCESS
}

// GetFieldValues answers for the fields that have numbers. There are no errors,
// no times of low clocks and no actions to be taken.
func (l *loaded) GetFieldValues(fields []nvml.FieldValue) nvml.Return {
	for i := range fields {
		f := &fields[i]
		f.NvmlReturn, f.ValueType = uint32(nvml.SUCCESS), uint32(nvml.VALUE_TYPE_UNSIGNED_LONG_LONG)
		v := uint64(0)
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

func (l *loaded) GetMaxClockInfo(which nvml.ClockType) (uint32, nvml.Return) {
	if which == nvml.CLOCK_MEM {
		return l.kind.mem, nvml.SUCCESS
	}
	return l.kind.sm, nvml.SUCCESS
}

func (l *loaded) GetTemperatureThreshold(which nvml.TemperatureThresholds) (uint32, nvml.Return) {
	switch which {
	case nvml.TEMPERATURE_THRESHOLD_SLOWDOWN:
		return l.kind.slowdown, nvml.SUCCESS
	case nvml.TEMPERATURE_THRESHOLD_SHUTDOWN:
		return l.kind.slowdown + 3, nvml.SUCCESS
	case nvml.TEMPERATURE_THRESHOLD_MEM_MAX:
		return l.kind.slowdown + 6, nvml.SUCCESS
	}
	return 0, nvml.ERROR_NOT_SUPPORTED
}

func (l *loaded) GetMarginTemperature() (nvml.MarginTemperature, nvml.Return) {
	return nvml.MarginTemperature{MarginTemperature: int32(l.kind.slowdown - l.heat())}, nvml.SUCCESS
}

func (l *loaded) GetEnforcedPowerLimit() (uint32, nvml.Return) { return l.kind.limit, nvml.SUCCESS }

func (l *loaded) GetPowerManagementDefaultLimit() (uint32, nvml.Return) {
	return l.kind.limit, nvml.SUCCESS
}

func (l *loaded) GetPowerManagementLimitConstraints() (lowest, highest uint32, ret nvml.Return) {
	return l.kind.lowest, l.kind.limit, nvml.SUCCESS
}

func (l *loaded) GetSerial() (string, nvml.Return) {
	return fmt.Sprintf("16530230%05d", l.Index), nvml.SUCCESS
}

func (l *loaded) GetVbiosVersion() (string, nvml.Return) { return "96.00.99.00.01", nvml.SUCCESS }

func (l *loaded) GetPciInfo() (nvml.PciInfo, nvml.Return) {
	return nvml.PciInfo{Bus: uint32(0x18 + 0x10*l.Index), PciDeviceId: l.Config.PciDeviceId}, nvml.SUCCESS
}

func (l *loaded) GetCurrPcieLinkGeneration() (int, nvml.Return) { return l.kind.pcie, nvml.SUCCESS }
func (l *loaded) GetMaxPcieLinkGeneration() (int, nvml.Return)  { return l.kind.pcie, nvml.SUCCESS }
func (l *loaded) GetCurrPcieLinkWidth() (int, nvml.Return)      { return 16, nvml.SUCCESS }
func (l *loaded) GetMaxPcieLinkWidth() (int, nvml.Return)       { return 16, nvml.SUCCESS }

func (l *loaded) GetPersistenceMode() (nvml.EnableState, nvml.Return) {
	return nvml.FEATURE_ENABLED, nvml.SUCCESS
}

// GetNumFans says that there are none: such machines cool their cards with fans
// of their own.
func (l *loaded) GetNumFans() (int, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }

// GetComputeRunningProcesses tells of a model that is loaded, by a process that
// this host cannot have.
func (l *loaded) GetComputeRunningProcesses() ([]nvml.ProcessInfo, nvml.Return) {
	return []nvml.ProcessInfo{{
		Pid: recordedPID + uint32(l.Index), UsedGpuMemory: l.MemoryInfo.Total / 4, GpuInstanceId: noInstance, ComputeInstanceId: noInstance,
	}}, nvml.SUCCESS
}

func (l *loaded) GetGraphicsRunningProcesses() ([]nvml.ProcessInfo, nvml.Return) {
	return nil, nvml.SUCCESS
}

func (l *loaded) GetSupportedEventTypes() (uint64, nvml.Return) {
	return nvml.EventTypeXidCriticalError, nvml.SUCCESS
}

func (l *loaded) RegisterEvents(uint64, nvml.EventSet) nvml.Return { return nvml.SUCCESS }
