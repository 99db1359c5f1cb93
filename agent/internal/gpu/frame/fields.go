package frame

import "github.com/corral-fleet/corral/agent/internal/gpu"

// The numbers of fields are only ever added to.

func reading(c *codec, r *gpu.Reading) {
	text(c, 1, &r.Source)
	text(c, 2, &r.State)
	text(c, 3, &r.Message)
	text(c, 4, &r.Driver)
	text(c, 5, &r.NVML)
	text(c, 6, &r.CUDA)
	list(c, 7, &r.Devices, device)
	text(c, 8, &r.KernelModule)
	list(c, 9, &r.Conditions, condition)
	list(c, 10, &r.Events, event)
	value(c, 11, &r.LogSequence)
}

func condition(c *codec, d *gpu.Condition) {
	text(c, 1, &d.Code)
	text(c, 2, &d.Message)
}

func event(c *codec, e *gpu.Event) {
	moment(c, 1, &e.At)
	text(c, 2, &e.Source)
	text(c, 3, &e.Address)
	text(c, 4, &e.UUID)
	value(c, 5, &e.Xid)
	text(c, 6, &e.Name)
	text(c, 7, &e.Action)
	value(c, 8, &e.PID)
	text(c, 9, &e.Process)
	text(c, 10, &e.Text)
	text(c, 11, &e.Meaning)
}

func device(c *codec, d *gpu.Device) {
	text(c, 1, &d.UUID)
	value(c, 2, &d.Index)
	text(c, 3, &d.Name)
	text(c, 4, &d.Address)
	text(c, 5, &d.Serial)
	text(c, 6, &d.VBIOS)
	text(c, 7, &d.Health)
	text(c, 8, &d.Message)
	value(c, 9, &d.UtilizationPercent)
	value(c, 10, &d.MemoryControllerPercent)
	value(c, 11, &d.MemoryTotalBytes)
	value(c, 12, &d.MemoryUsedBytes)
	value(c, 13, &d.MemoryReservedBytes)
	value(c, 14, &d.TemperatureCelsius)
	value(c, 15, &d.MemoryTemperatureCelsius)
	value(c, 16, &d.SlowdownCelsius)
	value(c, 17, &d.ShutdownCelsius)
	value(c, 18, &d.PowerMilliwatts)
	value(c, 19, &d.PowerLimitMilliwatts)
	value(c, 20, &d.EnergyMillijoules)
	value(c, 21, &d.SMClockMHz)
	value(c, 22, &d.SMClockMaxMHz)
	value(c, 23, &d.MemoryClockMHz)
	value(c, 24, &d.MemoryClockMaxMHz)
	value(c, 25, &d.PState)
	value(c, 26, &d.ThrottleReasons)
	value(c, 27, &d.PCIeGeneration)
	value(c, 28, &d.PCIeWidth)
	value(c, 29, &d.PCIeWidthMax)
	value(c, 30, &d.ECCCorrected)
	value(c, 31, &d.ECCUncorrected)
	value(c, 32, &d.RecoveryAction)
	flag(c, 33, &d.MIG)
	list(c, 34, &d.Fans, fan)
	list(c, 35, &d.Processes, process)
	list(c, 36, &d.Parts, part)
	deviceMore(c, d)
}

func deviceMore(c *codec, d *gpu.Device) {
	text(c, 37, &d.Architecture)
	text(c, 38, &d.ComputeCapability)
	signed(c, 39, &d.MarginCelsius)
	value(c, 40, &d.MaxCelsius)
	value(c, 41, &d.MemoryMaxCelsius)
	value(c, 42, &d.PowerInstantMilliwatts)
	value(c, 43, &d.PowerDefaultMilliwatts)
	value(c, 44, &d.PowerMinMilliwatts)
	value(c, 45, &d.PowerMaxMilliwatts)
	value(c, 46, &d.GraphicsClockMHz)
	value(c, 47, &d.GraphicsClockMaxMHz)
	value(c, 48, &d.VideoClockMHz)
	value(c, 49, &d.VideoClockMaxMHz)
	value(c, 50, &d.PCIeGenerationMax)
	value(c, 51, &d.PCIeReplays)
	flag(c, 52, &d.ECC)
	value(c, 53, &d.ECCCorrectedRecent)
	value(c, 54, &d.ECCUncorrectedRecent)
	value(c, 55, &d.RowsRemappedCorrected)
	value(c, 56, &d.RowsRemappedUncorrected)
	flag(c, 57, &d.RowRemapPending)
	flag(c, 58, &d.RowRemapFailed)
	flag(c, 59, &d.Persistence)
	value(c, 60, &d.Throttled.PowerCapNanoseconds)
	value(c, 61, &d.Throttled.ThermalNanoseconds)
	value(c, 62, &d.Throttled.HardwareThermalNanoseconds)
	value(c, 63, &d.Throttled.PowerBrakeNanoseconds)
	value(c, 64, &d.Throttled.SyncBoostNanoseconds)
	list(c, 65, &d.Absent, absence)
}

func fan(c *codec, f *gpu.Fan) { number(c, 1, &f.Percent) }

func process(c *codec, p *gpu.Process) {
	number(c, 1, &p.PID)
	value(c, 2, &p.MemoryBytes)
	text(c, 3, &p.Kind)
	value(c, 4, &p.GPUInstance)
	value(c, 5, &p.ComputeInstance)
}

func part(c *codec, p *gpu.Part) {
	text(c, 1, &p.UUID)
	text(c, 2, &p.Name)
	value(c, 3, &p.MemoryTotalBytes)
	value(c, 4, &p.GPUInstance)
	value(c, 5, &p.ComputeInstance)
	value(c, 6, &p.MemoryUsedBytes)
	value(c, 7, &p.MemoryReservedBytes)
}

func absence(c *codec, a *gpu.Absence) {
	text(c, 1, &a.Field)
	text(c, 2, &a.Reason)
	number(c, 3, &a.Code)
}
