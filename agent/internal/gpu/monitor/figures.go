package monitor

import (
	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/sdk/wire"
)

// figures gathers numbers by the names that they have in corral-gpuprobe's JSON.
type figures []wire.GPUFigure

func add[T uint32 | uint64 | int32](f *figures, name string, v gpu.Value[T]) {
	if v.Known {
		*f = append(*f, wire.GPUFigure{Name: name, Value: int64(v.V)})
	}
}

func (f *figures) flag(name string, v gpu.Value[bool]) {
	if v.Known {
		n := int64(0)
		if v.V {
			n = 1
		}
		*f = append(*f, wire.GPUFigure{Name: name, Value: n})
	}
}

// figuresOf returns what a card tells beside what is in samples.
func figuresOf(d *gpu.Device) []wire.GPUFigure {
	f := make(figures, 0, 48)
	add(&f, "memory_controller_percent", d.MemoryControllerPercent)
	add(&f, "memory_temperature_celsius", d.MemoryTemperatureCelsius)
	add(&f, "margin_celsius", d.MarginCelsius)
	add(&f, "shutdown_celsius", d.ShutdownCelsius)
	add(&f, "max_celsius", d.MaxCelsius)
	add(&f, "memory_max_celsius", d.MemoryMaxCelsius)
	add(&f, "power_instant_mw", d.PowerInstantMilliwatts)
	add(&f, "power_limit_default_mw", d.PowerDefaultMilliwatts)
	add(&f, "power_limit_min_mw", d.PowerMinMilliwatts)
	add(&f, "power_limit_max_mw", d.PowerMaxMilliwatts)
	add(&f, "energy_mj", d.EnergyMillijoules)
	add(&f, "sm_clock_max_mhz", d.SMClockMaxMHz)
	add(&f, "memory_clock_max_mhz", d.MemoryClockMaxMHz)
	add(&f, "graphics_clock_mhz", d.GraphicsClockMHz)
	add(&f, "graphics_clock_max_mhz", d.GraphicsClockMaxMHz)
	add(&f, "video_clock_mhz", d.VideoClockMHz)
	add(&f, "video_clock_max_mhz", d.VideoClockMaxMHz)
	add(&f, "p_state", d.PState)
	add(&f, "power_cap_ns", d.Throttled.PowerCapNanoseconds)
	add(&f, "thermal_ns", d.Throttled.ThermalNanoseconds)
	add(&f, "hardware_thermal_ns", d.Throttled.HardwareThermalNanoseconds)
	add(&f, "power_brake_ns", d.Throttled.PowerBrakeNanoseconds)
	add(&f, "sync_boost_ns", d.Throttled.SyncBoostNanoseconds)
	for _, fan := range d.Fans {
		f = append(f, wire.GPUFigure{Name: "fan_percent", Value: int64(fan.Percent)})
		break // they go by the same curve
	}
	f.errors(d)
	return f
}

// errors has what wears out and what breaks.
func (f *figures) errors(d *gpu.Device) {
	add(f, "pcie_generation", d.PCIeGeneration)
	add(f, "pcie_generation_max", d.PCIeGenerationMax)
	add(f, "pcie_width", d.PCIeWidth)
	add(f, "pcie_width_max", d.PCIeWidthMax)
	add(f, "pcie_replays", d.PCIeReplays)
	f.flag("ecc", d.ECC)
	add(f, "ecc_corrected", d.ECCCorrected)
	add(f, "ecc_uncorrected", d.ECCUncorrected)
	add(f, "ecc_corrected_recent", d.ECCCorrectedRecent)
	add(f, "ecc_uncorrected_recent", d.ECCUncorrectedRecent)
	add(f, "rows_remapped_corrected", d.RowsRemappedCorrected)
	add(f, "rows_remapped_uncorrected", d.RowsRemappedUncorrected)
	f.flag("row_remap_pending", d.RowRemapPending)
	f.flag("row_remap_failed", d.RowRemapFailed)
	add(f, "recovery_action", d.RecoveryAction)
	f.flag("persistence", d.Persistence)
	f.flag("mig", d.MIG)
}
