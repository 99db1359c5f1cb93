package frame

import "github.com/corral-fleet/corral/agent/internal/gpu"

// The numbers of fields are only ever added to.

func reading(c *codec, r *gpu.Reading) {
	c.text(1, &r.Source)
	c.text(2, (*string)(&r.State))
	c.text(3, &r.Message)
	c.text(4, &r.Driver)
	c.text(5, &r.NVML)
	c.text(6, &r.CUDA)
	list(c, 7, &r.Devices, device)
}

func device(c *codec, d *gpu.Device) {
	c.text(1, &d.UUID)
	c.number(2, &d.Index)
	c.text(3, &d.Name)
	c.text(4, &d.Address)
	c.text(5, &d.Serial)
	c.text(6, &d.VBIOS)
	c.text(7, (*string)(&d.Health))
	c.text(8, &d.Message)
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
	list(c, 34, &d.Fans, func(c *codec, f *gpu.Fan) { c.number(1, &f.Percent) })
	list(c, 35, &d.Processes, process)
	list(c, 36, &d.Parts, part)
}

func process(c *codec, p *gpu.Process) {
	c.number(1, &p.PID)
	value(c, 2, &p.MemoryBytes)
}

func part(c *codec, p *gpu.Part) {
	c.text(1, &p.UUID)
	c.text(2, &p.Name)
	value(c, 3, &p.MemoryTotalBytes)
}
