//go:build cgo

package source

import (
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// readOften reads what moves.
func (c *card) readOften() {
	d, h := &c.device, c.handle
	rates := ask(c, "utilization_percent", h.GetUtilizationRates)
	d.UtilizationPercent = gpu.If(rates.Known, rates.V.Gpu)
	d.MemoryControllerPercent = gpu.If(rates.Known, rates.V.Memory)
	c.alike("memory_controller_percent", "utilization_percent")
	c.readMemory()
	c.readTemperature()
	d.PowerMilliwatts = ask(c, "power_mw", h.GetPowerUsage)
	d.SMClockMHz = c.clock("sm_clock_mhz", nvml.CLOCK_SM)
	d.MemoryClockMHz = c.clock("memory_clock_mhz", nvml.CLOCK_MEM)
	p := ask(c, "p_state", h.GetPerformanceState)
	d.PState = gpu.If(p.Known && p.V != nvml.PSTATE_UNKNOWN, uint32(p.V))
	c.readThrottleReasons()
}

// readMemory prefers the version that tells what is reserved from what is used.
// The two are never mixed.
func (c *card) readMemory() {
	d := &c.device
	var total, used, reserved gpu.Value[uint64]
	if m := ask(c, "#memory v2", c.handle.GetMemoryInfo_v2); m.Known {
		total, used, reserved = gpu.Of(m.V.Total), gpu.Of(m.V.Used), gpu.Of(m.V.Reserved)
		c.alike("memory_total_bytes", "#memory v2")
	} else if m := ask(c, "memory_total_bytes", c.handle.GetMemoryInfo); m.Known {
		total, used = gpu.Of(m.V.Total), gpu.Of(m.V.Used)
	}
	c.alike("memory_used_bytes", "memory_total_bytes")
	c.alike("memory_reserved_bytes", "#memory v2")
	d.MemoryTotalBytes, d.MemoryUsedBytes, d.MemoryReservedBytes = total, used, reserved
}

// readTemperature prefers the function that all drivers have to the one that is
// to replace it.
func (c *card) readTemperature() {
	d := &c.device
	d.TemperatureCelsius = ask(c, "#temperature", func() (uint32, nvml.Return) {
		return c.handle.GetTemperature(nvml.TEMPERATURE_GPU)
	})
	if d.TemperatureCelsius.Known {
		c.alike("temperature_celsius", "#temperature")
		return
	}
	d.TemperatureCelsius = ask(c, "temperature_celsius", func() (uint32, nvml.Return) {
		t, ret := c.handle.GetTemperatureV().V1()
		return uint32(max(t.Temperature, 0)), ret
	})
}

func (c *card) clock(field string, kind nvml.ClockType) gpu.Value[uint32] {
	return ask(c, field, func() (uint32, nvml.Return) { return c.handle.GetClockInfo(kind) })
}

// readThrottleReasons asks by the name that drivers since 535 have, then by the
// older one.
func (c *card) readThrottleReasons() {
	d := &c.device
	d.ThrottleReasons = ask(c, "#throttle_reasons", c.handle.GetCurrentClocksEventReasons)
	if d.ThrottleReasons.Known {
		c.alike("throttle_reasons", "#throttle_reasons")
		return
	}
	d.ThrottleReasons = ask(c, "throttle_reasons", c.handle.GetCurrentClocksThrottleReasons)
}
