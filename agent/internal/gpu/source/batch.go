//go:build cgo

package source

import (
	"encoding/binary"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// batch is a number of fields that are read by one call.
type batch struct {
	fields []field
	values []nvml.FieldValue
	asked  []int // which field each of the values is for
}

// field is one that has a number of NVIDIA's.
type field struct {
	id   uint32
	name string
	set  func(*gpu.Device, gpu.Value[uint64])
}

// fields are read seldom: the question by numbers, whichever they are, kept this
// process busy for four to eight milliseconds on a host with an H200, where the
// functions of often take a few microseconds together. What is counted here is
// counted since the driver was loaded, so that nothing is missed between two readings.
func fields() []field {
	return []field{
		{nvml.FI_DEV_MEMORY_TEMP, "memory_temperature_celsius", func(d *gpu.Device, v gpu.Value[uint64]) { d.MemoryTemperatureCelsius = short(v) }},
		{nvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION, "energy_mj", func(d *gpu.Device, v gpu.Value[uint64]) { d.EnergyMillijoules = v }},
		{nvml.FI_DEV_GET_GPU_RECOVERY_ACTION, "recovery_action", func(d *gpu.Device, v gpu.Value[uint64]) { d.RecoveryAction = v }},
		{nvml.FI_DEV_POWER_INSTANT, "power_instant_mw", func(d *gpu.Device, v gpu.Value[uint64]) { d.PowerInstantMilliwatts = short(v) }},
		{nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP, "throttled.power_cap_ns", func(d *gpu.Device, v gpu.Value[uint64]) { d.Throttled.PowerCapNanoseconds = v }},
		{nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, "throttled.thermal_ns", func(d *gpu.Device, v gpu.Value[uint64]) { d.Throttled.ThermalNanoseconds = v }},
		{nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, "throttled.hardware_thermal_ns", func(d *gpu.Device, v gpu.Value[uint64]) { d.Throttled.HardwareThermalNanoseconds = v }},
		{nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, "throttled.power_brake_ns", func(d *gpu.Device, v gpu.Value[uint64]) { d.Throttled.PowerBrakeNanoseconds = v }},
		{nvml.FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST, "throttled.sync_boost_ns", func(d *gpu.Device, v gpu.Value[uint64]) { d.Throttled.SyncBoostNanoseconds = v }},
		{nvml.FI_DEV_ECC_CURRENT, "ecc", func(d *gpu.Device, v gpu.Value[uint64]) { d.ECC = yes(v) }},
		{nvml.FI_DEV_ECC_SBE_AGG_TOTAL, "ecc_corrected", func(d *gpu.Device, v gpu.Value[uint64]) { d.ECCCorrected = v }},
		{nvml.FI_DEV_ECC_DBE_AGG_TOTAL, "ecc_uncorrected", func(d *gpu.Device, v gpu.Value[uint64]) { d.ECCUncorrected = v }},
		{nvml.FI_DEV_ECC_SBE_VOL_TOTAL, "ecc_corrected_recent", func(d *gpu.Device, v gpu.Value[uint64]) { d.ECCCorrectedRecent = v }},
		{nvml.FI_DEV_ECC_DBE_VOL_TOTAL, "ecc_uncorrected_recent", func(d *gpu.Device, v gpu.Value[uint64]) { d.ECCUncorrectedRecent = v }},
		{nvml.FI_DEV_REMAPPED_COR, "rows_remapped_corrected", func(d *gpu.Device, v gpu.Value[uint64]) { d.RowsRemappedCorrected = v }},
		{nvml.FI_DEV_REMAPPED_UNC, "rows_remapped_uncorrected", func(d *gpu.Device, v gpu.Value[uint64]) { d.RowsRemappedUncorrected = v }},
		{nvml.FI_DEV_REMAPPED_PENDING, "row_remap_pending", func(d *gpu.Device, v gpu.Value[uint64]) { d.RowRemapPending = yes(v) }},
		{nvml.FI_DEV_REMAPPED_FAILURE, "row_remap_failed", func(d *gpu.Device, v gpu.Value[uint64]) { d.RowRemapFailed = yes(v) }},
		{nvml.FI_DEV_PCIE_REPLAY_COUNTER, "pcie_replays", func(d *gpu.Device, v gpu.Value[uint64]) { d.PCIeReplays = v }},
	}
}

// read asks for all fields that the card supports.
func (b *batch) read(c *card) {
	b.values, b.asked = b.values[:0], b.asked[:0]
	for i := range b.fields {
		if c.supports(b.fields[i].name) {
			b.values = append(b.values, nvml.FieldValue{FieldId: b.fields[i].id})
			b.asked = append(b.asked, i)
		} else {
			b.fields[i].set(&c.device, gpu.Value[uint64]{})
		}
	}
	if len(b.values) == 0 {
		return
	}
	ret := c.handle.GetFieldValues(b.values)
	for i := range b.values {
		f, v := &b.fields[b.asked[i]], gpu.Value[uint64]{}
		answer := ret
		if ret == nvml.SUCCESS {
			answer = answerOf(&b.values[i])
		}
		if c.note(f.name, answer) {
			v = gpu.Of(number(&b.values[i]))
		}
		f.set(&c.device, v)
	}
}

// answerOf is how one field was answered. A number that a driver does not know
// is an argument that is wrong to it.
func answerOf(v *nvml.FieldValue) nvml.Return {
	ret := nvml.Return(v.NvmlReturn)
	if ret == nvml.ERROR_INVALID_ARGUMENT {
		return nvml.ERROR_NOT_SUPPORTED
	}
	return ret
}

func number(v *nvml.FieldValue) uint64 {
	switch nvml.ValueType(v.ValueType) {
	case nvml.VALUE_TYPE_UNSIGNED_INT, nvml.VALUE_TYPE_SIGNED_INT:
		return uint64(binary.NativeEndian.Uint32(v.Value[:]))
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return uint64(binary.NativeEndian.Uint16(v.Value[:]))
	}
	return binary.NativeEndian.Uint64(v.Value[:])
}

func short(v gpu.Value[uint64]) gpu.Value[uint32] {
	return gpu.If(v.Known, uint32(v.V))
}

func yes(v gpu.Value[uint64]) gpu.Value[bool] { return gpu.If(v.Known, v.V != 0) }
